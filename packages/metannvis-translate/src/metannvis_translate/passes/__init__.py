"""Passes over the graph between export and import, in the order of :mod:`~metannvis_translate.passes.pipeline`."""
