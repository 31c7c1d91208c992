"""Import: the base class of importers, the registry of converters, layout tracking, what follows an operator's signature."""
