"""Gradient stops: nodes through which no gradient goes, and which of them matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.metadata import DOMAIN, STOP_GRADIENT, is_weight

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["drop_idle_stops", "is_stop", "stops_of"]


def is_stop(node: ir.Node) -> bool:
    """Whether a node passes its input on and stops its gradient."""
    return node.op_type == STOP_GRADIENT and node.domain == DOMAIN


def stops_of(hub: ExportedGraph) -> list[ir.Node]:
    """The nodes of a graph that stop gradients, in order."""
    return [node for node in hub.model.graph if is_stop(node)]


def drop_idle_stops(hub: ExportedGraph) -> None:
    """Make an Identity of a node that has no gradient to stop.

    None comes back to it if all that depends on it is stopped further on; none goes on from it if nothing that it is
    computed of is an input or a weight, or if that is stopped before.
    """
    graph = hub.model.graph
    stops = stops_of(hub)
    if not stops:
        return
    wanted = {id(value) for value in graph.outputs}
    for node in reversed(list(graph)):
        asked = any(id(value) in wanted and _is_float(value) for value in node.outputs)
        if is_stop(node) and asked:
            continue
        if is_stop(node):
            _pass_on(node)
        if asked:
            wanted |= {id(value) for value in node.inputs if value is not None}
    moving = {id(value) for value in graph.inputs if _is_float(value)}
    moving |= {id(value) for value in graph.initializers.values() if is_weight(hub, value)}
    for node in graph:
        moves = any(id(value) in moving for value in node.inputs if value is not None)
        if is_stop(node):
            if not moves:
                _pass_on(node)
        elif moves:
            moving |= {id(value) for value in node.outputs if _is_float(value)}


def _pass_on(node: ir.Node) -> None:
    node.op_type, node.domain = "Identity", ""


def _is_float(value: ir.Value) -> bool:
    return value.dtype is None or value.dtype.is_floating_point()
