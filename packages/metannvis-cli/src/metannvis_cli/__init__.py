"""Explain, translate and compare neural networks from the command line."""
