"""Methods that differentiate a PyTorch model; imported when one runs, after PyTorch."""
