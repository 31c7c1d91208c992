"""The table of converters from ONNX operators to Keras layers and operations."""

from __future__ import annotations

from metannvis_translate.importing.registry import Registry

__all__ = ["converter", "registry"]

registry = Registry("onnx_to_keras")
#: ``@converter("LeakyRelu", since=6)``
converter = registry.converter
