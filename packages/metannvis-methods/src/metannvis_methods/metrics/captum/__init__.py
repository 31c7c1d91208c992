"""Metrics of Captum, on models of any framework."""
