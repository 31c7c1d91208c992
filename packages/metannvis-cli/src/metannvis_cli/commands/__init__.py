"""Commands: one module for each, which holds a ``command``. None imports a framework, or NumPy, before it runs."""
