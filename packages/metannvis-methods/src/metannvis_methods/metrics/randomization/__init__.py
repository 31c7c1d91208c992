"""Randomization: whether the map changes when what the model has learnt is taken away."""
