"""A command a module, each with a ``command``. None imports a framework, or NumPy, before it runs."""
