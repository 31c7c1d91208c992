"""Images that a network responds to: one optimiser, and the methods that stand on it."""
