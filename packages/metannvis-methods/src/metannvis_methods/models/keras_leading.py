"""Leading operations of Keras models: what becomes of an input before the first convolution or matrix product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import Array

__all__ = ["leading_values"]

#: Beginnings of the names of layers and operations that end what leads: they mix places or channels by weights.
ENDS = ("Conv", "Depthwise", "Separable", "Dense", "Einsum", "Matmul", "Embedding", "Dot", "MultiHead")
#: Operations that are looked at, at most.
MOST = 40


def leading_values(model: Any, inputs: Sequence[Any], place: int) -> list[tuple[Array, Array | None]]:
    """What goes into and comes out of each operation on an input."""
    steps: list[tuple[Array, Array | None]] = []
    graph = _functional(model, inputs)
    if graph is None:
        return []
    tensors = keras.tree.flatten(graph.inputs)
    known = {id(tensor): value for tensor, value in zip(tensors, inputs, strict=True)}
    _follow(graph, known, {id(tensors[place])}, steps)
    return steps


def _follow(graph: Any, known: dict[int, Any], led: set[int], steps: list[tuple[Array, Array | None]]) -> bool:
    """Run what a graph makes of the tensors that are led; whether its end was reached."""
    for node in _nodes(graph):
        given = [tensor for tensor in node.input_tensors if id(tensor) in led]
        if not given:
            continue
        before, operation = to_numpy(known[id(given[0])]), node.operation
        if any(id(tensor) not in known for tensor in node.input_tensors) or _ends(operation) or len(steps) >= MOST:
            steps.append((before, None))
            return False
        values = [known[id(tensor)] for tensor in node.input_tensors]
        inner = _functional(operation, values) if isinstance(operation, keras.Model) else None
        if inner is not None:
            inside = dict(zip(map(id, keras.tree.flatten(inner.inputs)), values, strict=True))
            if not _follow(inner, inside, set(inside), steps):
                return False
            made = [inside[id(tensor)] for tensor in keras.tree.flatten(inner.outputs)]
        else:
            made = keras.tree.flatten(_called(node, known))
            steps.append((before, to_numpy(made[0])))
        known.update(zip(map(id, node.outputs), made, strict=True))
        led.update(map(id, node.outputs))
    return True


def _called(node: Any, known: dict[int, Any]) -> Any:
    arguments, options = node.arguments.fill_in(known)
    if isinstance(node.operation, keras.layers.Layer) and node.operation._call_has_training_arg:
        options = {**options, "training": False}
    return node.operation(*arguments, **options)


def _nodes(graph: Any) -> Iterator[Any]:
    """Nodes in the order in which they run, those of the inputs left out."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def _ends(operation: Any) -> bool:
    return type(operation).__name__.startswith(ENDS)


def _functional(model: Any, values: Sequence[Any]) -> Any:
    """The model's graph of operations, made by a symbolic call if it has none; ``None`` if there is no such thing."""
    graph = getattr(model, "_functional", None) or model  # that of a Sequential
    if hasattr(graph, "_nodes_by_depth"):
        return graph if len(keras.tree.flatten(graph.inputs)) == len(values) else None
    try:
        inputs = [keras.Input(tuple(value.shape)[1:], dtype=value.dtype.name) for value in values]
        return keras.Model(inputs, model.call(inputs if len(inputs) > 1 else inputs[0]))
    except Exception:  # noqa: BLE001  # a call of the user's own that takes no symbols, or a dict
        return None
