"""Decomposition of the graph's own operators into the standard's, for a target that is ONNX itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.graph.metadata import (
    DOMAIN,
    EXACT_VALUES,
    LAYER,
    STOP_GRADIENT,
    WHOLE_SEQUENCE,
    exact_value,
    set_exact,
)
from metannvis_translate.importing.windows import adaptive_windows

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Replacement", "lower", "value_names"]


def lower(graph: ir.Graph) -> None:
    """Replace every node of the domain ``metannvis``; the values keep their names."""
    taken = value_names(graph)
    for node in list(graph):
        if node.domain == DOMAIN:
            rule = RULES.get(node.op_type)
            if rule is None:
                raise UnsupportedOperatorError(
                    f"{DOMAIN}::{node.op_type}",
                    layer=node.metadata_props.get(LAYER),
                    reason="ONNX has no such operator",
                )
            Replacement(graph, node, taken).run(rule)
    graph.opset_imports.pop(DOMAIN, None)


def value_names(body: ir.Graph | ir.Function) -> set[str]:
    """Names of all values of a graph, and of those inside it."""
    import onnx_ir as ir

    nodes = list(ir.traversal.RecursiveGraphIterator(body))
    values = [value for node in nodes for value in (*node.inputs, *node.outputs)]
    inner = [a.as_graph() for node in nodes for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
    inner += [
        g for n in nodes for a in n.attributes.values() if a.type == ir.AttributeType.GRAPHS for g in a.as_graphs()
    ]
    for graph in (body, *inner):
        values += [*graph.inputs, *getattr(graph, "initializers", {}).values()]
    return {value.name for value in values if value is not None and value.name}


class Replacement:
    """One node, and the nodes that come in its place; ``taken`` are the names that values have, to which theirs are added."""

    def __init__(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
        self.graph, self.node, self.taken = graph, node, taken
        self.made: list[ir.Node] = []

    def run(self, rule: Callable[[Replacement], ir.Value]) -> None:
        """Put what the rule makes in the node's place; its only output keeps its name, type and shape."""
        import onnx_ir as ir

        new, old = rule(self), self.node.outputs[0]
        name = old.name
        new.shape, new.type = old.shape, old.type
        self.graph.insert_before(self.node, self.made)
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        self.graph.remove(self.node, safe=True)
        new.name = name

    def add(self, operator: str, *inputs: ir.Value | np.ndarray[Any, Any], **attributes: Any) -> ir.Value:
        """A node of the standard on values and constants; its only output."""
        import onnx_ir as ir

        values = [self._constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        metadata = {name: text for name, text in self.node.metadata_props.items() if name != EXACT_VALUES}
        made = ir.node(operator, values, attributes, metadata_props=metadata)
        exact = {name: exact_value(self.node, name) for name in attributes}
        set_exact(made, {name: value for name, value in exact.items() if value is not None})
        return self._named(made)

    def ints(self, *values: int) -> np.ndarray[Any, Any]:
        """A list of integers as an input."""
        return np.array(values, dtype=np.int64)

    def _constant(self, array: np.ndarray[Any, Any]) -> ir.Value:
        import onnx_ir as ir

        return self._named(ir.node("Constant", [], {"value": ir.tensor(array)}))

    def _named(self, made: ir.Node) -> ir.Value:
        number = len(self.made)
        while (name := f"{self.node.outputs[0].name}_{number}") in self.taken:
            number += 1
        self.taken.add(name)
        made.outputs[0].name = name
        self.made.append(made)
        return made.outputs[0]

    def source(self) -> ir.Value:
        """The node's first input."""
        value = self.node.inputs[0]
        assert value is not None
        return value

    def number(self, attribute: str) -> np.ndarray[Any, Any]:
        """A floating attribute as a constant of the input's type."""
        x = self.source()
        if x.dtype is None:
            raise UnsupportedOperatorError(self.node.op_type, reason="the type of its input is not known")
        exact = exact_value(self.node, attribute)
        return np.array(self.node.attributes[attribute].value if exact is None else exact, x.dtype.numpy())

    def list_of(self, attribute: str) -> list[int]:
        """A list of integers among the node's attributes; empty if it is not there."""
        found = self.node.attributes.get(attribute)
        return [] if found is None else [int(value) for value in found.value]

    def space(self) -> list[int]:
        """Sizes of the input's spatial axes."""
        shape = self.source().shape
        sizes = list(shape)[2:] if shape is not None else []
        if not sizes or not all(isinstance(size, int) for size in sizes):
            raise UnsupportedOperatorError(
                self.node.op_type, layer=self.node.metadata_props.get(LAYER), reason="the size of its input is free"
            )
        return sizes  # type: ignore[return-value]


def _linear(at: Replacement) -> ir.Value:
    x, weight, *bias = at.node.inputs
    product = at.add("MatMul", x, weight)  # type: ignore[arg-type]
    return at.add("Add", product, *bias) if bias else product  # type: ignore[arg-type]


def _roll(at: Replacement) -> ir.Value:
    shifts, dims, x = at.list_of("shifts"), at.list_of("dims"), at.source()
    if not dims:  # over all elements as one line
        line = at.add("Reshape", x, at.ints(-1))
        return at.add("Reshape", _rolled(at, line, shifts[0], 0), at.add("Shape", x))
    for shift, axis in zip(shifts, dims, strict=True):
        x = _rolled(at, x, shift, axis)
    return x


def _rolled(at: Replacement, x: ir.Value, shift: int, axis: int) -> ir.Value:
    size = x.shape[axis] if x.shape is not None else None
    if isinstance(size, int):
        shift %= max(size, 1)
    shape = x.shape
    if shift == 0:
        return x
    last = np.iinfo(np.int64).max
    tail = at.add("Slice", x, at.ints(-shift), at.ints(last), at.ints(axis))
    head = at.add("Slice", x, at.ints(0), at.ints(-shift), at.ints(axis))
    result = at.add("Concat", tail, head, axis=axis)
    result.shape, result.type = shape, x.type
    return result


def _pool(average: bool) -> Callable[[Replacement], ir.Value]:
    name = "Average" if average else "Max"

    def rule(at: Replacement) -> ir.Value:
        wanted, x = at.list_of("output_size"), at.source()
        if not average and at.node.outputs[1].uses():
            raise UnsupportedOperatorError(at.node.op_type, reason="its second output (indices) is not supported")
        if all(count == 1 for count in wanted):
            return at.add(f"Global{name}Pool", x)
        sizes = at.space()
        if all(size % count == 0 for size, count in zip(sizes, wanted, strict=True)):
            kernel = [size // count for size, count in zip(sizes, wanted, strict=True)]
            return at.add(f"{name}Pool", x, kernel_shape=kernel, strides=kernel)
        for axis, (size, count) in enumerate(zip(sizes, wanted, strict=True), 2):
            parts = [
                at.add("Slice", x, at.ints(a), at.ints(b), at.ints(axis)) for a, b in adaptive_windows(size, count)
            ]
            parts = [at.add(f"Reduce{'Mean' if average else 'Max'}", part, at.ints(axis), keepdims=1) for part in parts]
            x = at.add("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]
        return x

    return rule


def _group_norm(at: Replacement) -> ir.Value:
    """Groups as the channels of an instance normalisation."""
    x, scale, bias = at.node.inputs
    groups = int(at.node.attributes["num_groups"].value)
    shape = at.source().shape
    if x is None or x.dtype is None or shape is None:
        raise UnsupportedOperatorError(at.node.op_type, reason="the shape of its input is not known")
    ones = np.ones(groups, x.dtype.numpy())
    line = at.add("Reshape", x, at.ints(0, groups, -1))
    epsilon = at.node.attributes["epsilon"].value
    line = at.add("InstanceNormalization", line, ones, np.zeros_like(ones), epsilon=epsilon)
    result = at.add("Reshape", line, at.add("Shape", x))
    axes = at.ints(*range(1, len(shape) - 1))
    for operator, value in (("Mul", scale), ("Add", bias)):
        result = at.add(operator, result, at.add("Unsqueeze", value, axes))  # type: ignore[arg-type]
    return result


def _softplus(at: Replacement) -> ir.Value:
    """The identity above the threshold, as PyTorch has it."""
    x, beta = at.source(), at.number("beta")
    scaled = x if beta == 1 else at.add("Mul", x, beta)
    curve = at.add("Softplus", scaled)
    curve = curve if beta == 1 else at.add("Div", curve, beta)
    return at.add("Where", at.add("Greater", scaled, at.number("threshold")), x, curve)


def _threshold(at: Replacement) -> ir.Value:
    x = at.source()
    return at.add("Where", at.add("LessOrEqual", x, at.number("threshold")), at.number("value"), x)


def _glu(at: Replacement) -> ir.Value:
    x, axis = at.source(), int(at.node.attributes["axis"].value)
    size = x.shape[axis] if x.shape is not None else None
    if not isinstance(size, int):
        raise UnsupportedOperatorError(at.node.op_type, reason="the size of the axis that it halves is free")
    parts = [at.add("Slice", x, at.ints(a), at.ints(a + size // 2), at.ints(axis)) for a in (0, size // 2)]
    return at.add("Mul", parts[0], at.add("Sigmoid", parts[1]))


def _stop(at: Replacement) -> ir.Value:
    """ONNX knows no gradients."""
    return at.add("Identity", at.source())


def _whole_sequence(at: Replacement) -> ir.Value:
    """Not a number where none is as long: ONNX refuses nothing for what tensors hold."""
    x, lengths = at.source(), at.node.inputs[1]
    axis = int(at.node.attributes["axis"].value)
    steps = at.add("Gather", at.add("Shape", x), np.array(axis))
    longest = at.add("Equal", at.add("ReduceMax", lengths, keepdims=0), steps)  # type: ignore[arg-type]
    nothing = np.array("nan", x.dtype.numpy() if x.dtype is not None else "float32")
    return at.add("Where", longest, x, nothing)


RULES: dict[str, Callable[[Replacement], Any]] = {
    STOP_GRADIENT: _stop,
    WHOLE_SEQUENCE: _whole_sequence,
    "Linear": _linear,
    "GroupNormalization": _group_norm,
    "Roll": _roll,
    "Softplus": _softplus,
    "Threshold": _threshold,
    "GLU": _glu,
    "AdaptiveAveragePool": _pool(average=True),
    "AdaptiveMaxPool": _pool(average=False),
}
