"""The former address of the decorator of converters to Keras."""

from metannvis_translate.frameworks.keras.importer.registry import converter, registry

__all__ = ["converter", "registry"]
