"""What importers share: the base class, the registry of converters, layout tracking, what follows an operator's signature."""
