"""Robustness: whether the map stays when the input hardly changes."""
