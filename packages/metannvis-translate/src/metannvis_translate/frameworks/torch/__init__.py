"""PyTorch: the plug-in, its exporter and its importer. Importing this imports no framework."""

from metannvis_translate.frameworks.torch.plugin import framework

__all__ = ["framework"]
