"""Double precision: ONNX graphs whose floats are doubles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["doubled"]


def doubled(copy: ir.Model) -> ir.Model:
    """A model, changed in place, whose floats are doubles: initialisers, constants, casts and declared types."""
    import onnx_ir as ir

    double, single = ir.DataType.DOUBLE, ir.DataType.FLOAT
    nodes = list(ir.traversal.RecursiveGraphIterator(copy.graph))
    for body in (copy.graph, *_bodies(nodes)):
        for value in (
            *body.inputs,
            *body.outputs,
            *body.initializers.values(),
            *(o for n in body for o in n.outputs),
        ):
            if value.dtype == single:
                value.dtype = double
            if value.const_value is not None and value.const_value.dtype == single:
                value.const_value = ir.tensor(value.const_value.numpy().astype(np.float64), name=value.name)
    for node in nodes:
        if node.op_type == "Cast" and node.attributes["to"].value == single.value:
            node.attributes["to"] = ir.AttrInt64("to", double.value)
        if node.op_type == "Constant":
            _double_constant(node)
        if node.op_type == "GroupNormalization" and copy.graph.opset_imports.get("", 1) >= 21:
            node.attributes["stash_type"] = ir.AttrInt64("stash_type", double.value)  # single by default
    return copy


def _bodies(nodes: Iterable[ir.Node]) -> Iterator[ir.Graph]:
    """The graphs inside nodes: branches, bodies of loops."""
    import onnx_ir as ir

    for node in nodes:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield attribute.as_graph()
            elif attribute.type == ir.AttributeType.GRAPHS:
                yield from attribute.as_graphs()


def _double_constant(node: ir.Node) -> None:
    import onnx_ir as ir

    from metannvis_translate.graph.constants import constant_array
    from metannvis_translate.graph.metadata import exact_value

    array = constant_array(node)
    if array.dtype != np.float32:
        return
    exact = exact_value(node, "value")
    double = np.full(array.shape, exact) if exact is not None else array.astype(np.float64)
    node.attributes.clear()
    node.attributes["value"] = ir.AttrTensor("value", ir.tensor(double))
