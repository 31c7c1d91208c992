"""The check: two models run on the same values, and their outputs, layers and gradients compared."""
