"""File metadata: what an ``.onnx`` file says of its nodes, believed where it is true and dropped where it is not.

Translations leave the exact doubles behind single-precision attributes there
(:data:`~metannvis_translate.graph.metadata.EXACT_VALUES`), and read
them again. Anybody can write such a text; what is believed has to be the attribute itself, in more digits. The conventions of
the framework that a graph came from (:mod:`~metannvis_translate.graph.conventions`) are not believed: a file means what the
standard says, and one that said how exact its model is would say how closely its translation is looked at.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.metadata import (
    BORDER,
    CORNERS,
    EXACT_VALUES,
    KINK,
    LINEAR_ABOVE,
    ROUNDING,
    SINGLE,
    TIE_GRADIENT,
)

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["drop_conventions", "drop_false_exacts"]

Array = np.ndarray[Any, Any]


#: What only the exporter of a framework may state.
CONVENTIONS = (BORDER, CORNERS, KINK, LINEAR_ABOVE, ROUNDING, SINGLE)
#: What a file may say of ties: to which operands the derivative goes, of calls that differ in nothing else.
TIES_OF_CALLS = ("bound", "index")


def drop_conventions(model: ir.Model) -> None:
    """Take away what a file states of the framework that it may have come from. The model is changed."""
    import onnx_ir as ir

    bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for body in bodies:
        for node in ir.traversal.RecursiveGraphIterator(body):
            for key in CONVENTIONS:
                node.metadata_props.pop(key, None)
            if node.metadata_props.get(TIE_GRADIENT, TIES_OF_CALLS[0]) not in TIES_OF_CALLS:
                del node.metadata_props[TIE_GRADIENT]


def drop_false_exacts(model: ir.Model) -> None:
    """Take away every exact double that is not its attribute's number in more digits. The model is changed."""
    import onnx_ir as ir

    bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for body in bodies:
        for node in ir.traversal.RecursiveGraphIterator(body):
            text = node.metadata_props.get(EXACT_VALUES)
            if text is None:
                continue
            true = {name: value for name, value in _stated(text).items() if _is_true(node, name, value, model)}
            if true:
                node.metadata_props[EXACT_VALUES] = json.dumps(true)
            else:
                del node.metadata_props[EXACT_VALUES]


def _stated(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_true(node: ir.Node, name: str, stated: Any, model: ir.Model) -> bool:
    texts = stated if isinstance(stated, list) else [stated]
    held = _held(node, name, model)
    if held is None or held.dtype.kind != "f" or not all(isinstance(text, str) for text in texts):
        return False
    if isinstance(stated, list) != (held.ndim == 1 and name in node.attributes and node.op_type != "Constant"):
        return False
    try:
        exact = [float(text) for text in texts]
    except ValueError:
        return False
    if any(math.isnan(number) for number in exact):
        return False
    with np.errstate(over="ignore"):  # the least double, a padding's, is minus infinity in single precision
        return np.array_equal(np.array(exact).astype(held.dtype), held.reshape(-1))


def _held(node: ir.Node, name: str, model: ir.Model) -> Array | None:
    """The attribute's numbers; those that the standard has for it where a node has none."""
    import onnx

    from metannvis_translate.graph.constants import constant_array

    if node.op_type == "Constant" and name == "value":
        return constant_array(node)
    attribute = node.attributes.get(name)
    if attribute is not None:
        return np.array(attribute.value, np.float32) if attribute.type.name in ("FLOAT", "FLOATS") else None
    version = model.graph.opset_imports.get(node.domain, 1)
    if not onnx.defs.has(node.op_type, version, node.domain):
        return None
    known = onnx.defs.get_schema(node.op_type, version, node.domain).attributes.get(name)
    if known is None or known.default_value.type != onnx.AttributeProto.FLOAT:
        return None
    return np.array(known.default_value.f, np.float32)
