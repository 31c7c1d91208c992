"""Layer converters from Keras to ONNX nodes, one file a family. Importing this loads no framework.

A converter for a layer of your own::

    from metannvis_translate.frameworks.keras.exporter.layers import keras_layer

    @keras_layer(MyLayer)
    def my_layer(e, layer, x):
        return e.emit("Mul", x, e.weight_of(layer, "scale"))
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from metannvis_translate.frameworks.keras.exporter.layers.registry import (
    activations,
    layers,
    operations,
)
from metannvis_translate.frameworks.keras.exporter.layers.registry import operation_name as class_name

__all__ = [
    "FAMILIES",
    "HINT",
    "activations",
    "class_name",
    "find_layer_converter",
    "find_operation_converter",
    "keras_layer",
    "keras_op",
    "layers",
    "load_families",
    "operations",
]

F = TypeVar("F", bound=Callable[..., Any])
#: What to say to somebody whose layer has no converter.
HINT = (
    "Register a converter for it: @metannvis_translate.frameworks.keras.exporter.layers.keras_layer(YourLayer) on a "
    "function(emitter, layer, *inputs)."
)
FAMILIES = (
    "activation",
    "attention",
    "conv",
    "core",
    "elementwise",
    "merging",
    "normalization",
    "operators",
    "ordering",
    "pool",
    "preprocessing",
    "recurrent",
    "recurrent_conv",
    "reduce",
    "reshape",
    "resize",
    "signal",
    "sizes",
    "wrapping",
)


@cache
def load_families() -> None:
    """Register every converter of ours."""
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")


def keras_layer(*keys: str | type) -> Callable[[F], F]:
    """Decorator: the function converts Keras layers of these classes (yours, or names of Keras' own).

    Raises
    ------
    MetannvisError
        There is a converter for one of them; the message names both functions.
    """
    load_families()
    return layers.register(*keys)


def keras_op(*keys: str | type) -> Callable[[F], F]:
    """Decorator: the function converts ``keras.ops`` operations of these classes (``"Cross"``)."""
    load_families()
    return operations.register(*keys)


def find_layer_converter(layer: Any) -> Callable[..., Any] | None:
    """Converter of a Keras layer, ``None`` if there is none."""
    load_families()
    return layers.find(layer)


def find_operation_converter(operation: Any) -> Callable[..., Any] | None:
    """Converter of a ``keras.ops`` operation, ``None`` if there is none."""
    load_families()
    return operations.find(operation)
