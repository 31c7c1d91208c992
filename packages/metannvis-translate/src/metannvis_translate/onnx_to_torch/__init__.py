"""The former address of the importer to PyTorch, for converters that were written for it.

See :mod:`metannvis_translate.frameworks.torch.importer`.
"""
