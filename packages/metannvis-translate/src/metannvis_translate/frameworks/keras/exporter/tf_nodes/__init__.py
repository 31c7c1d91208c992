"""Converters of TensorFlow's operators to ONNX nodes, one file a family. Importing this loads no framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import (
    Complex,
    Node,
    Sizes,
    TensorList,
    Variable,
    nodes,
)

__all__ = ["FAMILIES", "Complex", "Node", "Sizes", "TensorList", "Variable", "find_node_converter", "load_families"]

FAMILIES = (
    "diagonals",
    "elementwise",
    "gather",
    "image",
    "linear",
    "lists",
    "reduce",
    "reshape",
    "scatter",
    "selection",
    "shape",
    "signal",
)


@cache
def load_families() -> None:
    """Register every converter."""
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")


def find_node_converter(kind: str) -> Callable[[Node], Any] | None:
    """Converter of a TensorFlow operator, ``None`` if there is none."""
    load_families()
    return nodes.get(kind)
