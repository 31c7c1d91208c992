"""Elimination of nodes that compute nothing."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.model import ExportedGraph

if TYPE_CHECKING:
    import onnx_ir as ir


log = logging.getLogger(__name__)


def _rename(hub: ExportedGraph, names: Mapping[str, str]) -> ExportedGraph:
    def new(name: str) -> str:
        while name in names:
            name = names[name]
        return name

    return dataclasses.replace(
        hub,
        layers=tuple(dataclasses.replace(layer, value=new(layer.value)) for layer in hub.layers),
        outputs=tuple(dataclasses.replace(port, value=new(port.value)) for port in hub.outputs),
    )


def _drop_identities(hub: ExportedGraph) -> ExportedGraph:
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


def _is_training(node: ir.Node) -> bool:
    if node.op_type != "Dropout" or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    value = constant_of(node.inputs[2])
    return value is None or bool(value)


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


def _drop_expansions(hub: ExportedGraph) -> None:
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


def _drop_zero_biases(hub: ExportedGraph) -> None:
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


def _drop_unused(hub: ExportedGraph) -> ExportedGraph:
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
