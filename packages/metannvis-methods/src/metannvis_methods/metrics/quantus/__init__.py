"""Metrics of Quantus, on models of any framework."""
