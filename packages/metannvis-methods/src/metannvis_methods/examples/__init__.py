"""Example networks and data: handwritten digits, a small network of each framework, and its training.

Import the module that is needed: those of the networks import their framework. :func:`load` gives a trained network by name.
"""

from metannvis_methods.examples.repository import Example, load, names

__all__ = ["Example", "load", "names"]
