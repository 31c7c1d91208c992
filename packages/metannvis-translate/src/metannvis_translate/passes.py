"""ONNX → ONNX: constants are computed, shape arithmetic is resolved, plumbing goes away.

Nothing is fused across source layers: what a source layer puts out stays a value of the graph.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.axes import annotate
from metannvis_translate.constants import constant_of
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.folding import NEVER_FOLD, fold
from metannvis_translate.hub import DOMAIN, LAYER, STOP, HubModel
from metannvis_translate.node_errors import interpreting
from metannvis_translate.shape_data import LONGEST, longest_vector
from metannvis_translate.stops import drop_idle_stops, is_stop

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["bind_inputs", "infer_shapes", "simplify"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]


def simplify(hub: HubModel) -> HubModel:
    """Run every pass; the graph is changed in place, the returned hub has the values' new names and axes."""
    hub = _drop_identities(hub)
    _unroll_sequences(hub)
    infer_shapes(hub.model)
    drop_idle_stops(hub)
    hub = fold(hub)
    hub = _drop_identities(hub)
    infer_shapes(hub.model)
    _drop_expansions(hub)
    _drop_zero_biases(hub)
    _join_linear(hub)
    hub = _drop_unused(hub)
    return annotate(hub)


def bind_inputs(hub: HubModel, values: Mapping[str, Array]) -> HubModel:
    """Turn inputs that are really constants (shapes, axes) into constants, by name."""
    import onnx_ir as ir

    graph = hub.model.graph
    ports = {port.name: port for port in hub.inputs}
    for name, array in values.items():
        port = ports[name]
        value = next(value for value in graph.inputs if value.name == port.value)
        node = ir.node("Constant", [], attributes={"value": ir.tensor(np.asarray(array))})
        graph.inputs.remove(value)
        node.outputs[0].name = f"{port.value}_bound"
        graph.insert_before(graph[0], node) if len(graph) else graph.append(node)
        ir.convenience.replace_all_uses_with(value, node.outputs[0])
    return dataclasses.replace(hub, inputs=tuple(port for port in hub.inputs if port.name not in values))


def _rename(hub: HubModel, names: Mapping[str, str]) -> HubModel:
    def new(name: str) -> str:
        while name in names:
            name = names[name]
        return name

    return dataclasses.replace(
        hub,
        layers=tuple(dataclasses.replace(layer, value=new(layer.value)) for layer in hub.layers),
        outputs=tuple(dataclasses.replace(port, value=new(port.value)) for port in hub.outputs),
    )


def _drop_identities(hub: HubModel) -> HubModel:
    """Take out Identity, and Dropout, which is one in inference."""
    import onnx_ir as ir

    graph = hub.model.graph
    names: dict[str, str] = {}
    for node in list(graph):
        if node.op_type not in ("Identity", "Dropout") or node.domain not in ("", "ai.onnx"):
            continue
        source, result = node.inputs[0], node.outputs[0]
        if source is None or any(out.uses() or out.is_graph_output() for out in node.outputs[1:]):
            continue
        if _is_training(node):
            continue
        names[result.name or ""] = source.name or ""
        if source.shape is None:
            source.shape = result.shape
        if source.type is None:
            source.type = result.type
        ir.convenience.replace_all_uses_with(result, source, replace_graph_outputs=True)
        graph.remove(node, safe=True)
    return _rename(hub, names)


def _unroll_sequences(hub: HubModel) -> None:
    """A tensor split into a sequence that is only read at known places is an ordinary split."""
    graph = hub.model.graph
    for node in list(graph):
        if node.op_type == "SplitToSequence" and not node.outputs[0].is_graph_output():
            with interpreting(node):
                _unroll(graph, node)


def _unroll(graph: ir.Graph, node: ir.Node) -> None:
    import onnx_ir as ir

    readers = list(node.outputs[0].consumers())
    places = [constant_of(reader.inputs[1]) if reader.op_type == "SequenceAt" else None for reader in readers]
    sizes = constant_of(node.inputs[1]) if len(node.inputs) > 1 else None
    axis = node.attributes["axis"].value if "axis" in node.attributes else 0
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    length = shape[axis] if shape is not None else None
    keeps = "keepdims" not in node.attributes or bool(node.attributes["keepdims"].value) or sizes is not None
    if (
        node.outputs[0].is_graph_output()
        or any(place is None for place in places)
        or not isinstance(length, int)
        or not keeps
    ):
        return
    if sizes is None or sizes.ndim == 0:
        each = 1 if sizes is None else int(sizes)
        sizes = np.array([min(each, length - k) for k in range(0, length, each)])
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(sizes.astype(np.int64))})
    split = ir.node("Split", [node.inputs[0], constant.outputs[0]], {"axis": axis}, num_outputs=len(sizes))
    split.metadata_props.update(node.metadata_props)
    base = node.outputs[0].name
    constant.outputs[0].name = f"{base}_sizes"
    graph.insert_before(node, [constant, split])
    for k, output in enumerate(split.outputs):
        output.name = f"{base}_{k}"
    for reader, place in zip(readers, places, strict=True):
        part = split.outputs[int(place)]  # type: ignore[arg-type]
        old = reader.outputs[0]
        part.shape, part.type = old.shape, old.type
        graph.insert_before(reader, copy := ir.node("Identity", [part]))
        new = copy.outputs[0]
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        name = old.name
        graph.remove(reader, safe=True)
        new.name = name
    graph.remove(node, safe=True)


def _is_training(node: ir.Node) -> bool:
    if node.op_type != "Dropout" or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    value = constant_of(node.inputs[2])
    return value is None or bool(value)


def infer_shapes(model: ir.Model) -> None:
    """Fill in shapes that the exporter left out, by ONNX's own inference; known ones stay."""
    import onnx_ir as ir
    from onnx_ir.passes.common import ShapeInferencePass
    from onnx_ir.serde import SerdeError

    values = [value for node in model.graph for value in node.outputs if value is not None]
    if all(value.shape is not None and value.dtype is not None for value in values):
        return
    known = {id(value): value.shape for value in values if value.shape is not None}
    stops = [node for node in model.graph if is_stop(node)]
    for node in stops:  # inference knows the standard's operators only
        node.op_type, node.domain = "Identity", ""
    try:
        follows = _vectors(model.graph) <= LONGEST  # as far as it is known before the shapes are
        if not follows:
            before = [value.shape for value in values]
            ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
            follows = _vectors(model.graph, inferred=True) <= LONGEST
            if follows:  # sizes that got a name now would not be followed
                for value, shape in zip(values, before, strict=True):
                    value.shape = shape
        if follows:
            ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    except SerdeError as error:  # PyTorch's exporter names two values alike where it splits a tensor into one part
        reason = f"the exporter wrote a graph that is not valid ({error.__cause__})"
        raise UnsupportedOperatorError("the graph", reason=reason) from error
    for node in stops:
        node.op_type, node.domain = STOP, DOMAIN
    for value in values:
        if id(value) not in known:
            continue
        stated = known[id(value)]
        merged = value.shape
        if merged is None or len(merged) != len(stated):
            value.shape = stated
        else:
            value.shape = ir.Shape([s if isinstance(s, int) else m for s, m in zip(stated, merged, strict=True)])


def _vectors(graph: ir.Graph, *, inferred: bool = False) -> int:
    """Elements of shape data that inference would write out, as far as shapes are known."""
    known: dict[str, int] = {}
    values = (*graph.initializers.values(), *graph.inputs, *(value for node in graph for value in node.outputs))
    for value in values:
        if value.shape is not None and all(isinstance(size, int) for size in value.shape):
            known[value.name or ""] = math.prod(value.shape.numpy()) if len(value.shape) == 1 else 1
        elif value.shape is not None and len(value.shape) != 1:
            known[value.name or ""] = 1
    rows = (
        (node.op_type, [v.name or "" for v in node.inputs if v is not None], [v.name or "" for v in node.outputs])
        for node in graph
    )
    return longest_vector(rows, known, inferred=inferred)


# --- within one source layer -----------------------------------------------------------------------------------------------


#: Operators that broadcast their operands against each other.
BROADCASTING = {
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Max",
    "Min",
    "Pow",
    "Where",
    "Equal",
    "Greater",
    "Less",
    "GreaterOrEqual",
    "LessOrEqual",
}


def _drop_expansions(hub: HubModel) -> None:
    """Take out an Expand of a constant where broadcasting does the same (``zeros_like`` beside the tensor itself)."""
    import onnx_ir as ir

    graph = hub.model.graph
    for node in list(graph):
        if node.op_type != "Expand" or node.outputs[0].is_graph_output():
            continue
        small, large = node.inputs[0], node.outputs[0]
        if constant_of(small) is None or small is None or large.shape is None or not large.uses():
            continue

        def spared(user: ir.Node, large: ir.Value = large) -> bool:
            others = [value for value in user.inputs if value is not None and value is not large]
            return user.op_type in BROADCASTING and any(value.shape == large.shape for value in others)

        if all(spared(user) for user in large.consumers()):
            ir.convenience.replace_all_uses_with(large, small)
            graph.remove(node, safe=True)


def _drop_zero_biases(hub: HubModel) -> None:
    """Take away a bias that an exporter made up: zeros that are no weight of the source.

    PyTorch's exporter gives one to every convolution that has none, to those over three axes one of the wrong length.
    """
    for node in hub.model.graph:
        if node.op_type not in ("Conv", "ConvTranspose") or node.domain not in ("", "ai.onnx") or len(node.inputs) < 3:
            continue
        bias = node.inputs[2]
        if bias is None or bias.is_initializer():
            continue
        array = constant_of(bias)
        if array is not None and not array.any():
            node.resize_inputs(2)


def _join_linear(hub: HubModel) -> None:
    """MatMul with a weight matrix, and the Add of a bias in the same source layer, become one ``metannvis::Linear``.

    ``Linear(X, W, B)`` is ``X @ W + B`` over the last axis; importers make it the framework's own dense layer.
    """
    import onnx_ir as ir

    graph = hub.model.graph
    recorded = {layer.value for layer in hub.layers}
    known = known_values(graph)
    for node in list(graph):
        if node.op_type != "MatMul" or node.domain not in ("", "ai.onnx"):
            continue
        x, weight = node.inputs
        if x is None or constant_of(x) is not None:
            continue
        if weight is None or weight not in known or LAYER not in node.metadata_props:
            continue
        size = weight.shape
        if size is None or len(size) != 2:
            continue
        last = node
        inputs: list[ir.Value | None] = [x, weight]
        users = list(node.outputs[0].consumers())
        is_internal = node.outputs[0].name not in recorded and not node.outputs[0].is_graph_output()
        if is_internal and len(users) == 1 and users[0].op_type == "Add":
            add = users[0]
            other = add.inputs[1] if add.inputs[0] is node.outputs[0] else add.inputs[0]
            bias = constant_of(other)
            same_layer = add.metadata_props.get(LAYER) == node.metadata_props[LAYER]
            if same_layer and bias is not None and bias.shape == (size[1],):
                inputs, last = [x, weight, other], add
        result = last.outputs[0]
        linear = ir.node("Linear", inputs, domain="metannvis", metadata_props=dict(node.metadata_props))
        new = linear.outputs[0]
        new.shape, new.type = result.shape, result.type
        name = result.name
        graph.insert_before(node if last is node else last, linear)
        ir.convenience.replace_all_uses_with(result, new, replace_graph_outputs=True)
        graph.remove([last] if last is node else [last, node], safe=True)
        new.name = name
        hub.model.graph.opset_imports.setdefault("metannvis", 1)


def known_values(graph: ir.Graph) -> set[ir.Value]:
    """Values that are computed of constants and weights alone."""
    known: set[ir.Value] = {value for value in graph.initializers.values() if value.const_value is not None}
    for node in graph:
        settled = node.op_type not in NEVER_FOLD - {"Constant"} and not is_stop(node)
        if settled and all(value in known for value in node.inputs if value is not None):
            known |= set(node.outputs)
    return known


def _drop_unused(hub: HubModel) -> HubModel:
    """Take out what no output needs. A layer whose output nothing uses keeps no value."""
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    RemoveUnusedNodesPass()(hub.model)
    graph = hub.model.graph
    left = {value.name for value in graph.inputs} | set(graph.initializers)
    left |= {value.name for node in graph for value in node.outputs}
    gone = [layer.info.name for layer in hub.layers if layer.value not in left]
    if gone:
        log.info("layers whose output nothing uses: %s", ", ".join(gone))
    return dataclasses.replace(hub, layers=tuple(layer for layer in hub.layers if layer.value in left))
