"""Fusion of a matrix product with the bias added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.evaluate import NEVER_FOLD
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.passes.stop_gradient import is_stop

if TYPE_CHECKING:
    import onnx_ir as ir


def _join_linear(hub: ExportedGraph) -> None:
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
