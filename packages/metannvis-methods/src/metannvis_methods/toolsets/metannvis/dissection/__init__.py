"""Network dissection: what the units of layers stand for. Importing this loads no framework."""
