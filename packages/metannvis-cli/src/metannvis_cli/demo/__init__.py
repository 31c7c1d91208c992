"""Demonstration on real input: two small networks, explained with the other framework's toolkit."""
