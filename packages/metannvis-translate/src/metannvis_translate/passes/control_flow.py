"""Control flow written out: a branch whose condition is known, a loop or scan whose number of steps is.

What goes on being control flow depends on the data of the model, which no layer of a framework stands for: the importers
refuse it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.evaluate import NEVER_FOLD, evaluate
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.graph.node_errors import interpreting
from metannvis_translate.passes.decompose import value_names
from metannvis_translate.process.limits import check_limit

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["has_control_flow", "write_out"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
#: How far back a condition is followed through the operators that it is computed by.
FURTHEST = 64


class _UnknownError(Exception):
    """What the written-out graph depends on is not known; the message says what."""


def has_control_flow(hub: ExportedGraph) -> bool:
    """Whether there is anything to write out."""
    return any(_is_control_flow(node) for node in hub.model.graph)


def write_out(hub: ExportedGraph) -> bool:
    """Write out every branch, loop and scan that can be; whether there was one. Those inside become the graph's own.

    Raises
    ------
    LimitError
        The steps come to more operators than the limit.
    """
    graph, changed = hub.model.graph, False
    taken: set[str] | None = None
    for node in list(graph):
        if not _is_control_flow(node):
            continue
        taken = value_names(graph) if taken is None else taken
        place = _Place(graph, node, taken)
        with interpreting(node):
            try:
                results = RULES[node.op_type](place)
            except _UnknownError as error:
                log.info("%s stays control flow: %s", node.op_type, error)
                place.clear()
                continue
        place.replace(results)
        changed = True
    return changed


def _is_control_flow(node: ir.Node) -> bool:
    return node.op_type in RULES and node.domain in ("", "ai.onnx")


class _Place:
    """A node of control flow, and the nodes that come in its place."""

    def __init__(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
        self.graph, self.node, self.taken = graph, node, taken
        self.made: list[ir.Node] = []
        self.limit = len(graph)

    def body(self, name: str) -> ir.Graph:
        """A graph among the attributes."""
        return self.node.attributes[name].as_graph()

    def ints(self, name: str, default: Sequence[int]) -> list[int]:
        """A list of integers among the attributes."""
        found = self.node.attributes.get(name)
        return list(default) if found is None else [int(value) for value in found.value]

    def add(self, operator: str, inputs: Sequence[ir.Value | None], attributes: Any = None) -> ir.Value:
        """A node in front; its only output."""
        import onnx_ir as ir

        return self._put(ir.node(operator, inputs, attributes or {}), ["step"])[0]

    def constant(self, array: Array) -> ir.Value:
        """A constant in front."""
        import onnx_ir as ir

        value = self.add("Constant", [], {"value": ir.tensor(array)})
        value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
        return value

    def inline(self, body: ir.Graph, arguments: Sequence[ir.Value]) -> list[ir.Value]:
        """A copy of a body in front of the node; its outputs."""
        inside: dict[ir.Value, ir.Value] = dict(zip(body.inputs, arguments, strict=True))
        for value in body.initializers.values():
            if value not in inside and value.const_value is not None:
                inside[value] = self.constant(value.const_value.numpy())
        for node in body:
            copy = _copied(node, inside)
            names = [value.name or "value" for value in node.outputs]
            for old, new in zip(node.outputs, self._put(copy, names), strict=True):
                new.type = old.type
                inside[old] = new
        check_limit(
            "nodes", self.limit + len(self.made), f"{self.node.op_type} {self.node.name!r} written out comes to"
        )
        return [inside.get(value, value) for value in body.outputs]

    def _put(self, made: ir.Node, names: Sequence[str]) -> Sequence[ir.Value]:
        layer = self.node.metadata_props.get(LAYER)
        if layer is not None:
            made.metadata_props[LAYER] = layer
        for value, base in zip(made.outputs, names, strict=True):
            name, number = f"{self.node.outputs[0].name}.{base}", len(self.made)
            while name in self.taken:
                name, number = f"{self.node.outputs[0].name}.{base}.{number}", number + 1
            self.taken.add(name)
            value.name = name
        self.graph.insert_before(self.node, made)
        self.made.append(made)
        return made.outputs

    def replace(self, results: Sequence[ir.Value]) -> None:
        """Let the results take the place of the node's outputs, under their names."""
        import onnx_ir as ir

        names = [value.name for value in self.node.outputs]
        for old, new in zip(self.node.outputs, results, strict=True):
            named = ir.node("Identity", [new], metadata_props=dict(self.made[0].metadata_props) if self.made else {})
            self.graph.insert_before(self.node, named)
            named.outputs[0].type, named.outputs[0].shape = old.type, old.shape
            ir.convenience.replace_all_uses_with(old, named.outputs[0], replace_graph_outputs=True)
            named.outputs[0].name = "" if not old.name else old.name
        outputs = list(self.node.outputs)
        self.graph.remove(self.node, safe=True)
        for old, name in zip(outputs, names, strict=True):
            old.name = f"{name}.before"

    def clear(self) -> None:
        """Take away what was put there."""
        for node in reversed(self.made):
            self.graph.remove(node, safe=True)


def _copied(node: ir.Node, inside: dict[ir.Value, ir.Value]) -> ir.Node:
    """A node that reads the values of this step; those from outside stay."""
    import onnx_ir as ir

    inputs = [None if value is None else inside.get(value, value) for value in node.inputs]
    attributes: list[ir.Attr] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            attribute = ir.AttrGraph(attribute.name, _copied_graph(attribute.as_graph(), inside))
        attributes.append(attribute)
    copy = ir.Node(node.domain, node.op_type, inputs, attributes, num_outputs=len(node.outputs), overload=node.overload)
    copy.metadata_props.update(node.metadata_props)
    return copy


def _copied_graph(body: ir.Graph, outside: dict[ir.Value, ir.Value]) -> ir.Graph:
    import onnx_ir as ir

    inside = dict(outside)
    for value in (*body.inputs, *body.initializers.values()):
        new = ir.Value(name=value.name, shape=value.shape, type=value.type, const_value=value.const_value)
        inside.setdefault(value, new)
    nodes = []
    for node in body:
        copy = _copied(node, inside)
        copy.name = node.name
        for old, new in zip(node.outputs, copy.outputs, strict=True):
            new.name, new.type, new.shape = old.name, old.type, old.shape
            inside[old] = new
        nodes.append(copy)
    return ir.Graph(
        [inside[value] for value in body.inputs],
        [inside.get(value, value) for value in body.outputs],
        nodes=nodes,
        initializers=[inside[value] for value in body.initializers.values()],
        name=body.name,
    )


# --- what is known ---------------------------------------------------------------------------------------------------------


def _known(place: _Place, value: ir.Value | None, what: str, depth: int = FURTHEST) -> Array:
    """What a value comes to, however it is computed of constants and of shapes."""
    found = constant_of(value)
    if found is not None:
        return found
    node = value.producer() if value is not None else None
    if node is None or depth == 0 or node.domain not in ("", "ai.onnx"):
        raise _UnknownError(f"{what} depends on the data")
    if node.op_type == "Shape" and "start" not in node.attributes and "end" not in node.attributes:
        shape = node.inputs[0].shape if node.inputs[0] is not None else None
        if shape is not None and all(isinstance(size, int) for size in shape):
            return np.array(shape.numpy(), np.int64)
    if node.op_type in NEVER_FOLD or len(node.outputs) != 1:
        raise _UnknownError(f"{what} depends on the data")
    arrays = [None if part is None else _known(place, part, what, depth - 1) for part in node.inputs]
    try:
        (array,) = evaluate(node, arrays, place.graph.opset_imports.get("", 1))
    except NotImplementedError as error:
        raise _UnknownError(f"{what} cannot be computed beforehand: {error}") from error
    # a later step starts from it instead of from the first one
    import onnx_ir as ir

    if value is not None and node in place.made:
        constant = place.constant(array)
        place.graph.remove(constant.producer())  # type: ignore[arg-type]
        place.graph.insert_before(node, constant.producer())  # type: ignore[arg-type]
        ir.convenience.replace_all_uses_with(value, constant)
    return array


def _steps(value: ir.Value, axis: int, what: str) -> int:
    size = None if value.shape is None else value.shape[axis]
    if not isinstance(size, int):
        raise _UnknownError(f"{what} depends on a free size")
    return size


# --- what each comes to ----------------------------------------------------------------------------------------------------


def _branch(place: _Place) -> list[ir.Value]:
    try:
        holds = bool(_known(place, place.node.inputs[0], "its condition").reshape(-1)[0])
    except _UnknownError:
        return _either(place)
    return place.inline(place.body("then_branch" if holds else "else_branch"), [])


def _either(place: _Place) -> list[ir.Value]:
    """Both branches, between whose results the condition chooses when the model runs; they have to be of one shape."""
    import onnx_ir as ir

    then, other = place.body("then_branch"), place.body("else_branch")
    for a, b in zip(then.outputs, other.outputs, strict=True):
        if a.shape is None or b.shape is None or a.dtype is None or a.dtype != b.dtype:
            raise _UnknownError("its condition depends on the data, and its branches have results of unknown shapes")
        if not all(isinstance(size, int) for size in a.shape) or list(a.shape) != list(b.shape):
            raise _UnknownError("its condition depends on the data, and its branches have results of different shapes")
    condition = place.add("Reshape", [place.node.inputs[0], place.constant(np.zeros(0, np.int64))])
    condition.shape, condition.dtype = ir.Shape(()), ir.DataType.BOOL
    results = []
    for a, b in zip(place.inline(then, []), place.inline(other, []), strict=True):
        chosen = place.add("Where", [condition, a, b])
        chosen.type, chosen.shape = a.type, a.shape
        results.append(chosen)
    return results


def _loop(place: _Place) -> list[ir.Value]:
    node, body = place.node, place.body("body")
    inputs = [*node.inputs, None, None]
    states = [value for value in node.inputs[2:] if value is not None]
    most = None if inputs[0] is None else int(_known(place, inputs[0], "its number of steps").reshape(-1)[0])
    goes = inputs[1] is None or bool(_known(place, inputs[1], "its condition").reshape(-1)[0])
    made: list[list[ir.Value]] = [[] for _ in body.outputs[1 + len(states) :]]
    step = 0
    while goes and (most is None or step < most):
        # an endless loop, or one of no operators: each step counts as one
        check_limit("nodes", place.limit + step, f"Loop {node.name!r} written out comes to")
        number, condition = place.constant(np.array(step, np.int64)), place.constant(np.array(True))
        results = place.inline(body, [number, condition, *states])
        goes = bool(_known(place, results[0], "its condition").reshape(-1)[0])
        states = results[1 : 1 + len(states)]
        for row, value in zip(made, results[1 + len(states) :], strict=True):
            row.append(value)
        step += 1
    if made and not step:
        raise _UnknownError("it makes no step, and the shape of what it gathers is not known")
    return [*states, *(_gathered(place, row, 0) for row in made)]


def _scan(place: _Place) -> list[ir.Value]:
    node = place.node
    count = int(node.attributes["num_scan_inputs"].value)
    if place.graph.opset_imports.get("", 1) < 9:
        return _scan_of_samples(place, count)
    states = [value for value in node.inputs[: len(node.inputs) - count] if value is not None]
    scanned = [value for value in node.inputs[len(node.inputs) - count :] if value is not None]
    backward = place.ints("scan_input_directions", [0] * count)
    states, rows = _scanned(place, states, scanned, place.ints("scan_input_axes", [0] * count), backward)
    out_axes = place.ints("scan_output_axes", [0] * len(rows))
    out_backward = place.ints("scan_output_directions", [0] * len(rows))
    rows = [row[::-1] if reverse else row for row, reverse in zip(rows, out_backward, strict=True)]
    return [*states, *(_gathered(place, row, axis) for row, axis in zip(rows, out_axes, strict=True))]


def _scan_of_samples(place: _Place, count: int) -> list[ir.Value]:
    """A scan of opset 8, whose body sees one sample of a batch at a time: the samples one after the other."""
    lengths, *rest = place.node.inputs
    if lengths is not None:
        raise _UnknownError("its sequences have lengths of their own")
    values = [value for value in rest if value is not None]
    batch = {_steps(value, 0, "its batch") for value in values}
    if len(batch) != 1:
        raise _UnknownError(f"its inputs have batches of {sorted(batch)}")
    finished: list[list[ir.Value]] = []
    for sample in range(next(iter(batch))):
        parts = [_entry(place, value, sample, 0) for value in values]
        here = len(parts) - count
        states, rows = _scanned(place, parts[:here], parts[here:], [0] * count, place.ints("directions", [0] * count))
        finished.append([*states, *(_gathered(place, row, 0) for row in rows)])
    return [_gathered(place, list(results), 0) for results in zip(*finished, strict=True)]


def _entry(place: _Place, value: ir.Value, where: int, axis: int) -> ir.Value:
    """One entry of a value along an axis."""
    import onnx_ir as ir

    part = place.add("Gather", [value, place.constant(np.array(where, np.int64))], {"axis": axis})
    part.type = value.type
    if value.shape is not None:
        part.shape = ir.Shape([size for k, size in enumerate(value.shape) if k != axis % len(value.shape)])
    return part


def _scanned(
    place: _Place, states: list[ir.Value], scanned: list[ir.Value], axes: Sequence[int], backward: Sequence[int]
) -> tuple[list[ir.Value], list[list[ir.Value]]]:
    """The steps of a scan: the last states, and the values of all steps of what it gathers."""
    body = place.body("body")
    lengths = {_steps(value, axis, "its number of steps") for value, axis in zip(scanned, axes, strict=True)}
    if len(lengths) != 1:
        raise _UnknownError(f"its inputs have {sorted(lengths)} steps")
    (length,) = lengths
    if not length:
        raise _UnknownError("it makes no step")
    made: list[list[ir.Value]] = [[] for _ in body.outputs[len(states) :]]
    for step in range(length):
        places = [length - 1 - step if reverse else step for reverse in backward]
        parts = [_entry(place, value, where, axis) for value, where, axis in zip(scanned, places, axes, strict=True)]
        results = place.inline(body, [*states, *parts])
        states = list(results[: len(states)])
        for row, value in zip(made, results[len(states) :], strict=True):
            row.append(value)
    return states, made


def _gathered(place: _Place, values: Sequence[ir.Value], axis: int) -> ir.Value:
    """Values of all steps along a new axis."""
    where = np.array([axis], np.int64)
    if place.graph.opset_imports.get("", 1) >= 13:
        rows = [place.add("Unsqueeze", [value, place.constant(where)]) for value in values]
    else:
        rows = [place.add("Unsqueeze", [value], {"axes": [axis]}) for value in values]
    for row, value in zip(rows, values, strict=True):
        row.type = value.type
    return place.add("Concat", rows, {"axis": axis})


RULES: dict[str, Callable[[_Place], list[Any]]] = {"If": _branch, "Loop": _loop, "Scan": _scan}
