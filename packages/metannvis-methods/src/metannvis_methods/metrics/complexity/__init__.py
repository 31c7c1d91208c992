"""Complexity: how much of a map has to be looked at."""
