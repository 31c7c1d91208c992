"""The table of methods: rows, toolsets, and the choice among them."""
