"""Constant folding: constants are computed, and shape arithmetic is resolved."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.evaluate import MOVES, NEVER_FOLD, evaluate
from metannvis_translate.graph.evaluation_budget import Budget
from metannvis_translate.graph.metadata import FROZEN, LAYER, WEIGHT, exact_value, is_frozen, is_weight, set_exact
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.graph.node_errors import interpreting
from metannvis_translate.graph.symbolic_shapes import name_count, name_sizes, settle_shape, symbolic

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["fold"]

Array = np.ndarray[Any, Any]

#: Elements of the largest array that is compared with others to see whether the same was computed before.
SMALL = 64


def fold(hub: ExportedGraph) -> ExportedGraph:
    """Replace every node whose inputs are known by its result, and shape arithmetic by what it comes to.

    Integer tensors that depend on a free size are followed symbolically: ``hub.symbols`` holds their elements as ints and
    sympy expressions. What is computed from trainable weights is left to the importer, unless it only moves their elements.
    """
    graph = hub.model.graph
    symbols: dict[str, Array] = {}
    moved: dict[Any, ir.Value] = {}
    known: dict[Any, list[Array]] = {}
    budget = Budget()
    for node in list(graph):
        if node.domain not in ("", "ai.onnx") or node.op_type in NEVER_FOLD or not node.outputs:
            continue
        if node.op_type in ("Shape", "Size") and node.outputs[0].is_graph_output():
            continue  # what the caller asks for is taken from the tensor
        with interpreting(node):
            _fold_node(hub, node, symbols, moved, known, budget)
    return dataclasses.replace(hub, symbols=symbols)


def _fold_node(
    hub: ExportedGraph,
    node: ir.Node,
    symbols: dict[str, Array],
    moved: dict[Any, ir.Value],
    known: dict[Any, list[Array]],
    budget: Budget,
) -> None:
    arrays = [constant_of(value) for value in node.inputs]
    present = [value for value in node.inputs if value is not None]
    read = present[:1] if node.op_type == "CastLike" else present  # its second input is only asked for its type
    if node.op_type not in (*MOVES, "Shape", "Size") and any(is_weight(hub, value) for value in read):
        return
    if node.op_type == "CastLike" and arrays[0] is not None and present[1].dtype is not None:
        _cast(hub, node, arrays[0], present[1].dtype)
        return
    if all(a is not None for v, a in zip(node.inputs, arrays, strict=True) if v is not None) and present:
        _fold_constant(hub, node, arrays, moved, known, budget)
        return
    if node.op_type in ("Shape", "Size") and not node.outputs[0].uses():
        return  # an output of the model: computed when it runs
    elements = symbolic(node, symbols)
    if elements is None:
        if node.op_type in ("Reshape", "Expand"):
            name_sizes(node, symbols)
            settle_shape(node, symbols)
        elif node.op_type == "TopK" and len(node.inputs) > 1:
            name_count(node, symbols)
        return
    if all(isinstance(e, (int, np.integer)) for e in elements.ravel()):
        dtype = node.outputs[0].dtype
        array = elements.astype(dtype.numpy() if dtype is not None else np.int64)
        _replace_by_constant(hub, node, array)
    else:
        symbols[node.outputs[0].name or ""] = elements


def _cast(hub: ExportedGraph, node: ir.Node, array: Array, dtype: ir.DataType) -> None:
    producer = node.inputs[0].producer() if node.inputs[0] is not None else None
    exact = exact_value(producer, "value") if producer is not None else None
    result = array.astype(dtype.numpy()) if exact is None else np.full(array.shape, exact, dtype.numpy())
    _replace_by_constant(hub, node, result, exact=exact)


def _fold_constant(
    hub: ExportedGraph,
    node: ir.Node,
    arrays: list[Array | None],
    moved: dict[Any, ir.Value],
    known: dict[Any, list[Array]],
    budget: Budget,
) -> None:
    """Replace a node of known inputs.

    ``moved`` holds the weights that were moved so far, by what was done to which; ``known`` what small nodes came to: how a
    list of paddings is put together is written out once a layer.
    """
    import onnx_ir as ir

    graph = hub.model.graph
    if node.op_type not in MOVES and not budget.allows(node, arrays, graph.opset_imports.get("", 1)):
        return
    try:
        results = _evaluated(node, arrays, hub.model.graph.opset_imports.get("", 1), known)
    except NotImplementedError:
        return  # the reference evaluator lacks it; the importer may have it
    first = node.inputs[0]
    still_weight = node.op_type in MOVES and is_weight(hub, first) and results[0].dtype.kind == "f"
    if len(results) > 1 and any(out.uses() or out.is_graph_output() for out in node.outputs[1:]):
        _replace_all(hub, node, results)
        return
    exact = None
    producer = first.producer() if first is not None else None
    if node.op_type in MOVES and producer is not None and results[0].size == 1:
        exact = exact_value(producer, "value")
        if exact is not None:
            results = [np.full(results[0].shape, exact, dtype=results[0].dtype)]
    if not still_weight:
        _replace_by_constant(hub, node, results[0], exact=exact)
        return
    if _splits(first):
        return
    others = [None if array is None else array.tobytes() for array in arrays[1:]]
    attributes = sorted((a.name, repr(a.value)) for a in node.attributes.values())
    key = (first, node.op_type, *others, *attributes)
    if key not in moved:
        moved[key] = _moved_weight(hub, node, results[0])
    # a module that is called again has the weight that it had the first time
    ir.convenience.replace_all_uses_with(node.outputs[0], moved[key], replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _splits(weight: ir.Value | None) -> bool:
    """Whether a weight is read both as it is and transposed: a copy of one of the two would be a weight of its own."""
    kinds = {user.op_type for user, _ in weight.uses()} if weight is not None else set()
    return "Transpose" in kinds and len(kinds) > 1


def _moved_weight(hub: ExportedGraph, node: ir.Node, array: Array) -> ir.Value:
    """A weight of the source whose elements a node moves, as a weight."""
    import onnx_ir as ir

    initializers, weight = hub.model.graph.initializers, node.inputs[0]
    if weight is None:
        raise AssertionError
    name, number = f"{weight.name}", 1
    while name in initializers:
        number += 1
        name = f"{weight.name}.{number}"
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    path = weight.metadata_props.get(WEIGHT)
    if path:
        value.metadata_props[WEIGHT] = path + name.removeprefix(f"{weight.name}")
    if is_frozen(weight):
        value.metadata_props[FROZEN] = "1"
    initializers[name] = value
    return value


def _evaluated(node: ir.Node, arrays: list[Array | None], opset: int, known: dict[Any, list[Array]]) -> list[Array]:
    """:func:`evaluate`, once for small nodes that are alike."""
    plain = all(attribute.type.name in ("INT", "INTS", "STRING") for attribute in node.attributes.values())
    if not plain or any(array is not None and (array.size > SMALL or array.dtype.hasobject) for array in arrays):
        return evaluate(node, arrays, opset)
    given = [None if array is None else (array.dtype, array.shape, array.tobytes()) for array in arrays]
    attributes = [(name, repr(attribute.value)) for name, attribute in sorted(node.attributes.items())]
    key = (node.op_type, len(node.outputs), *given, *attributes)
    if key not in known:
        known[key] = evaluate(node, arrays, opset)
    return known[key]


def _replace_all(hub: ExportedGraph, node: ir.Node, arrays: Sequence[Array]) -> None:
    """Replace a node of several outputs, each by a constant of its own."""
    import onnx_ir as ir

    outputs = [value for value in node.outputs[1:] if value.name]
    for old, array in zip(outputs, arrays[1:], strict=False):
        part = ir.node("Identity", [old], metadata_props=dict(node.metadata_props))  # what it reads is replaced with it
        hub.model.graph.insert_before(node, part)
        part.outputs[0].name = old.name
        ir.convenience.replace_all_uses_with(old, part.outputs[0], replace_graph_outputs=True)
        part.replace_input_with(0, None)
        _replace_by_constant(hub, part, array)
    _replace_by_constant(hub, node, arrays[0])


def _replace_by_constant(hub: ExportedGraph, node: ir.Node, array: Array, *, exact: float | None = None) -> None:
    import onnx_ir as ir

    graph = hub.model.graph
    old = node.outputs[0]
    name = old.name
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(np.asarray(array, order="C"))})
    if LAYER in node.metadata_props:
        constant.metadata_props[LAYER] = node.metadata_props[LAYER]
    if exact is not None:
        set_exact(constant, {"value": exact})
    new = constant.outputs[0]
    graph.insert_before(node, constant)
    new.shape, new.dtype = ir.Shape(array.shape), constant.attributes["value"].as_tensor().dtype
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    new.name = name
