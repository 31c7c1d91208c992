"""The former address of the decorator of converters to PyTorch."""

from metannvis_translate.frameworks.torch.importer.registry import converter, registry

__all__ = ["converter", "registry"]
