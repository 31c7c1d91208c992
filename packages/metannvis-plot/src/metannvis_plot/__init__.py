"""Figures and self-contained reports of neural-network explanations."""
