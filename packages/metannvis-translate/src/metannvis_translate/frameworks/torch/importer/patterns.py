"""Activations that exporters take apart, put together again.

A hook on ``nn.Sigmoid`` must not see the sigmoid inside of a SiLU. Only operators of one and the same source layer are put
together, and only where nothing else uses, and no layer returns, what lies between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Joined", "joined_nodes"]

X = "x"
COMMUTATIVE = {"Add", "Mul"}


def _gelu_tanh(cube: Any) -> Any:
    inner = ("Mul", math.sqrt(2 / math.pi), ("Add", X, ("Mul", 0.044715, cube)))
    return ("Mul", 0.5, ("Mul", X, ("Add", 1.0, ("Tanh", inner))))


_ERF = ("Add", 1.0, ("Erf", ("Div", X, math.sqrt(2))))
#: Operator trees over one input, numbers for constants, and the modules they are.
PATTERNS: tuple[tuple[Any, str, Callable[[], nn.Module]], ...] = (
    (("Mul", X, ("Sigmoid", X)), "silu", nn.SiLU),
    (("Mul", X, ("Tanh", ("Softplus", X))), "mish", nn.Mish),
    (("Log", ("Sigmoid", X)), "logsigmoid", nn.LogSigmoid),
    (("Sub", X, ("Tanh", X)), "tanhshrink", nn.Tanhshrink),
    (("Div", X, ("Add", 1.0, ("Abs", X))), "softsign", nn.Softsign),
    (("Mul", 0.5, ("Mul", X, _ERF)), "gelu", nn.GELU),
    (("Mul", X, ("Mul", 0.5, _ERF)), "gelu", nn.GELU),
    (("Mul", ("Mul", 0.5, X), _ERF), "gelu", nn.GELU),
    (_gelu_tanh(("Mul", X, ("Mul", X, X))), "gelu", lambda: nn.GELU("tanh")),
    (_gelu_tanh(("Pow", X, 3.0)), "gelu", lambda: nn.GELU("tanh")),
)


@dataclass(frozen=True)
class Joined:
    """A tree of nodes that is one module: its input, and how to make the module."""

    input: ir.Value
    suffix: str
    make: Callable[[], nn.Module]


def joined_nodes(hub: ExportedGraph) -> tuple[dict[int, Joined], set[int]]:
    """Nodes that returned what such a module does, and those that lie inside of one, by ``id``."""
    recorded = {layer.value for layer in hub.layers}
    ends: dict[int, Joined] = {}
    inside: set[int] = set()
    for node in reversed(list(hub.model.graph)):
        if id(node) in inside or not node.metadata_props.get(LAYER):
            continue
        for pattern, suffix, make in PATTERNS:
            found = _match(pattern, node, {})
            if found is None:
                continue
            x, nodes = found["x"], found["nodes"][1:]
            whole = {id(node), *map(id, nodes)}
            if all(_is_internal(inner, whole, recorded, node) for inner in nodes):
                ends[id(node)] = Joined(x, suffix, make)
                inside |= {id(inner) for inner in nodes}
                break
    return ends, inside


def _is_internal(node: ir.Node, whole: set[int], recorded: set[str], end: ir.Node) -> bool:
    value = node.outputs[0]
    same = node.metadata_props.get(LAYER) == end.metadata_props.get(LAYER)
    used_inside = all(id(user) in whole for user in value.consumers())
    return same and used_inside and value.name not in recorded and not value.is_graph_output()


def _match(pattern: Any, node: ir.Node | None, found: dict[str, Any]) -> dict[str, Any] | None:
    """What ``x`` is, and the nodes of the tree, if the node is the pattern's root."""
    operator, *parts = pattern
    if node is None or node.op_type != operator or node.domain not in ("", "ai.onnx") or len(node.inputs) != len(parts):
        return None
    orders = [parts, parts[::-1]] if operator in COMMUTATIVE else [parts]
    for order in orders:
        result: dict[str, Any] | None = {**found, "nodes": [*found.get("nodes", []), node]}
        for part, value in zip(order, node.inputs, strict=True):
            result = _match_value(part, value, result) if result is not None else None
        if result is not None:
            return result
    return None


def _match_value(part: Any, value: ir.Value | None, found: dict[str, Any]) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(part, float):
        array = constant_of(value)
        hit = array is not None and array.size == 1 and math.isclose(float(array.reshape(())), part, rel_tol=1e-6)
        return found if hit else None
    if part == X:
        return {**found, "x": value} if found.get("x", value) is value else None
    return _match(part, value.producer(), found)
