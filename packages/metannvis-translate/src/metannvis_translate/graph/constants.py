"""Constants: values of a graph that are known before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["constant_array", "constant_of"]

Array = np.ndarray[Any, Any]


def constant_of(value: ir.Value | None) -> Array | None:
    """The array of a value that a Constant node or an initialiser gives, else ``None``."""
    if value is None:
        return None
    if value.const_value is not None and value.producer() is None:
        return value.const_value.numpy()
    node = value.producer()
    if node is None or node.op_type != "Constant":
        return None
    return constant_array(node)


def constant_array(node: ir.Node) -> Array:
    """The array that a Constant node holds, whatever attribute it is written in."""
    (attribute,) = [a for a in node.attributes.values() if a.name.startswith("value") or a.name == "sparse_value"][:1]
    if attribute.name == "value":
        return np.asarray(attribute.value.numpy())  # as_tensor() looks through a protocol each time
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if attribute.name not in kinds:
        return np.asarray(attribute.value, dtype=object)
    return np.asarray(attribute.value, dtype=kinds[attribute.name])
