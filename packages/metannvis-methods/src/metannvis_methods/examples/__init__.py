"""Example networks and data: handwritten digits, a small network of each framework, and its training.

Import the module that is needed: those of the networks import their framework.
"""
