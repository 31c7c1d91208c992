"""Float precision: ONNX graphs whose floats are doubles, and whose half precision is single."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["doubled", "is_in_half", "singled"]

#: Places of inputs that are single precision by the standard, whatever the data's is.
SINGLE_INPUTS = {"Resize": (2,), "Upsample": (1,)}


def doubled(copy: ir.Model) -> ir.Model:
    """A model, changed in place, whose single floats are doubles: initialisers, constants, casts and declared types."""
    import onnx_ir as ir

    return _in_floats(copy, {ir.DataType.FLOAT}, ir.DataType.DOUBLE)


def is_in_half(model: ir.Model) -> bool:
    """Whether a model holds its weights in half precision, or takes it; a cast to it inside another model is not meant."""
    graph = model.graph
    held = [value.const_value.dtype for value in graph.initializers.values() if value.const_value is not None]
    return bool(_halves().intersection((*held, *(value.dtype for value in graph.inputs))))


def singled(copy: ir.Model) -> ir.Model:
    """A model, changed in place, in single precision wherever it was in half."""
    import onnx_ir as ir

    return _in_floats(copy, _halves(), ir.DataType.FLOAT)


def _halves() -> set[ir.DataType]:
    import onnx_ir as ir

    return {ir.DataType.FLOAT16, ir.DataType.BFLOAT16}


def _in_floats(copy: ir.Model, of: set[ir.DataType], to: ir.DataType) -> ir.Model:
    """A model, changed in place, whose floats of some types are of another."""
    import onnx_ir as ir

    dtype = to.numpy()
    nodes = list(ir.traversal.RecursiveGraphIterator(copy.graph))
    kept = _single_by_standard(nodes) if to == ir.DataType.DOUBLE else set()
    for body in (copy.graph, *_bodies(nodes)):
        for value in (
            *body.inputs,
            *body.outputs,
            *body.initializers.values(),
            *(o for n in body for o in n.outputs),
        ):
            if value in kept:
                continue
            if value.dtype in of:
                value.dtype = to
            if value.const_value is not None and value.const_value.dtype in of:
                value.const_value = ir.tensor(value.const_value.numpy().astype(dtype), name=value.name)
    for node in nodes:
        for name in ("to", "dtype", "output_dtype"):  # of casts, of random and identity matrices, of quantised numbers
            attribute = node.attributes.get(name)
            if attribute is not None and attribute.type == ir.AttributeType.INT and attribute.value in of:
                node.attributes[name] = ir.AttrInt64(name, to.value)
        if node.op_type == "Constant" and node.outputs[0] not in kept:
            _in_constant(node, of, dtype)
        if node.op_type == "ConstantOfShape":
            _in_filling(node, of, to)
        if node.op_type == "GroupNormalization" and copy.graph.opset_imports.get("", 1) >= 21:
            node.attributes["stash_type"] = ir.AttrInt64("stash_type", to.value)  # single by default
    return copy


def _single_by_standard(nodes: Iterable[ir.Node]) -> set[ir.Value]:
    """Constants that nothing reads but inputs which the standard has in single precision."""
    places = [(node, place) for node in nodes for place in SINGLE_INPUTS.get(node.op_type, ())]
    values = {node.inputs[place] for node, place in places if len(node.inputs) > place} - {None}
    return {
        value
        for value in values
        if value is not None
        and (value.const_value is not None or ((producer := value.producer()) is not None and producer.op_type == "Constant"))
        and all(place in SINGLE_INPUTS.get(user.op_type, ()) for user, place in value.uses())
    }  # fmt: skip


def _bodies(nodes: Iterable[ir.Node]) -> Iterator[ir.Graph]:
    """The graphs inside nodes: branches, bodies of loops."""
    import onnx_ir as ir

    for node in nodes:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield attribute.as_graph()
            elif attribute.type == ir.AttributeType.GRAPHS:
                yield from attribute.as_graphs()


def _in_constant(node: ir.Node, of: set[ir.DataType], dtype: np.dtype[Any]) -> None:
    import onnx_ir as ir

    from metannvis_translate.graph.constants import constant_array
    from metannvis_translate.graph.metadata import exact_value

    array = constant_array(node)
    if ir.DataType.from_numpy(array.dtype) not in of:
        return
    exact = exact_value(node, "value")
    wide = np.full(array.shape, exact, dtype) if exact is not None else array.astype(dtype)
    node.attributes.clear()
    node.attributes["value"] = ir.AttrTensor("value", ir.tensor(wide))


def _in_filling(node: ir.Node, of: set[ir.DataType], to: ir.DataType) -> None:
    """The number that a tensor is filled with, a single zero if there is none."""
    import onnx_ir as ir

    attribute = node.attributes.get("value")
    filling = attribute.as_tensor().numpy() if attribute is not None else np.zeros(1, np.float32)
    if ir.DataType.from_numpy(filling.dtype) in of:
        node.attributes["value"] = ir.AttrTensor("value", ir.tensor(filling.astype(to.numpy())))
