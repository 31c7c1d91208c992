"""Equivalence check: two models run on the same values; outputs, layers and gradients compared."""
