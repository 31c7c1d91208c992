"""Model adapters: what a framework can do for a method, and how a model is put back as it was."""
