"""Opsets before 7: graphs of the first years, brought to what the same operators are called and given today.

Until then operands were broadcast by attributes, shapes and types stood in attributes, and operators said whether they train.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.passes.infer_shapes import infer_shapes

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["OLDEST", "modern", "modernize"]

#: The opset that older graphs are brought to.
OLDEST = 7
#: Operators whose second operand was broadcast by attributes.
BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less")

#: Operators whose result has as many axes as their first operand.
KEEPING = frozenset((
    *BROADCAST, "Abs", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Conv", "ConvTranspose",
    "DepthToSpace", "Dropout", "Elu", "Exp", "Floor", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "HardSigmoid",
    "Hardmax", "Identity", "InstanceNormalization", "LRN", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "LpPool", "Max",
    "MaxPool", "Mean", "Min", "Neg", "Not", "PRelu", "Pad", "Reciprocal", "Relu", "Selu", "Sigmoid", "Slice", "Softmax",
    "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Tile", "Transpose",
    "Upsample",
))  # fmt: skip


def modernize(model: ir.Model) -> None:
    """Bring the nodes of a graph of an opset before 7 to that opset, in place.

    Raises
    ------
    UnsupportedOperatorError
        An operator trains, or is broadcast in a way that depends on a rank that is not known.
    """
    import onnx_ir as ir

    if model.graph.opset_imports.get("", OLDEST) >= OLDEST:
        return
    infer_shapes(model)
    opset = model.graph.opset_imports[""]
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        if node.domain not in ("", "ai.onnx"):
            continue
        place = _Place(node, opset)
        place.drop("consumed_inputs")  # said which memory may be written over
        rule = RULES.get(node.op_type)
        if rule is not None:
            rule(place)
    model.graph.opset_imports[""] = OLDEST


def modern(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A model as it is, or a copy of opset 7 of an older one, which no runtime has kernels for."""
    import onnx_ir as ir

    if all(row.version >= OLDEST for row in proto.opset_import if row.domain in ("", "ai.onnx")):
        return proto
    model = ir.from_proto(proto)
    modernize(model)
    return ir.to_proto(model)


class _Place:
    """A node, and the graph in which others come in front of it."""

    def __init__(self, node: ir.Node, opset: int) -> None:
        self.node, self.opset = node, opset

    def drop(self, name: str, default: Any = None) -> Any:
        """Take an attribute away; its value."""
        attribute = self.node.attributes.pop(name, None)
        return default if attribute is None else attribute.value

    def put(self, **attributes: Any) -> None:
        """Set attributes."""
        import onnx_ir as ir

        for name, value in attributes.items():
            self.node.attributes[name] = ir.convenience.convert_attribute(name, value)

    def constant(self, position: int, array: Any) -> None:
        """Set an input to a constant."""
        import onnx_ir as ir

        self._set(position, ir.node("Constant", [], {"value": ir.tensor(np.asarray(array))}), "constant")

    def unsqueeze(self, position: int, count: int) -> None:
        """Give an input as many axes of size one at its end."""
        import onnx_ir as ir

        value = self.node.inputs[position]
        rank = self.rank(position)
        made = ir.node("Unsqueeze", [value], {"axes": list(range(rank, rank + count))})
        self._set(position, made, "spread")

    def _set(self, position: int, made: ir.Node, name: str) -> None:
        made.outputs[0].name = f"{self.node.outputs[0].name}.{name}"
        layer = self.node.metadata_props.get(LAYER)
        if layer is not None:
            made.metadata_props[LAYER] = layer
        graph = self.node.graph
        assert graph is not None
        graph.insert_before(self.node, made)
        while len(self.node.inputs) <= position:
            self.node.resize_inputs(len(self.node.inputs) + 1)
        self.node.replace_input_with(position, made.outputs[0])

    def rank(self, position: int) -> int:
        """Number of an input's axes."""
        rank = _rank(self.node.inputs[position])
        if rank is None:
            raise self.refusal("it is broadcast along axes of an operand whose shape is not known")
        return rank

    def refusal(self, reason: str) -> UnsupportedOperatorError:
        """The documented refusal."""
        return UnsupportedOperatorError(
            self.node.op_type,
            opset=self.opset,
            layer=self.node.name or self.node.outputs[0].name,
            reason=reason,
            hint=f"Convert the model to opset {OLDEST} or newer.",
        )


def _rank(value: ir.Value | None) -> int | None:
    """Number of a value's axes, as stated or inferred (few of the first operators are), or that of what it is made of."""
    while value is not None and value.shape is None:
        node = value.producer()
        value = node.inputs[0] if node is not None and node.op_type in KEEPING and node.inputs else None
    return None if value is None or value.shape is None else len(value.shape)


def _broadcast(place: _Place) -> None:
    """The second operand lay along the axes of the first from ``axis`` on, or at its end."""
    place.drop("broadcast")
    axis = place.drop("axis")
    if axis is None:
        return
    rank = place.rank(0)
    behind = rank - axis % rank - place.rank(1)
    if behind > 0:
        place.unsqueeze(1, behind)


def _slope(place: _Place) -> None:
    """Slopes were one, or one a channel."""
    value = place.node.inputs[1]
    if value is not None and place.rank(1) == 1 and value.shape is not None and value.shape[0] != 1:
        place.unsqueeze(1, place.rank(0) - 2)


def _trained(place: _Place) -> None:
    if not place.drop("is_test", 0):
        raise place.refusal("it is in training mode: its is_test is 0")
    while len(place.node.outputs) > 1 and not (
        place.node.outputs[-1].uses() or place.node.outputs[-1].is_graph_output()
    ):
        place.node.resize_outputs(len(place.node.outputs) - 1)


def _reshape(place: _Place) -> None:
    shape = place.drop("shape")
    if shape is not None:
        place.constant(1, np.asarray(shape, np.int64))


def _cast(place: _Place) -> None:
    import onnx_ir as ir

    to = place.drop("to")
    place.put(to=int(ir.DataType[to]) if isinstance(to, str) else int(to))


def _concat(place: _Place) -> None:
    if "axis" not in place.node.attributes:
        place.put(axis=1)


def _pad(place: _Place) -> None:
    pads = place.drop("paddings")
    if pads is not None:
        place.put(pads=list(pads))


def _split(place: _Place) -> None:
    if len(place.node.inputs) < 2 or place.node.inputs[1] is None:
        return
    sizes = constant_of(place.node.inputs[1])
    if sizes is None:
        raise place.refusal("its sizes are computed when the model runs")
    place.put(split=[int(size) for size in np.asarray(sizes).reshape(-1)])
    place.node.resize_inputs(1)


def _tile(place: _Place) -> None:
    if len(place.node.inputs) < 3:
        return
    times, axis = (constant_of(value) for value in place.node.inputs[1:])
    if times is None or axis is None:
        raise place.refusal("its repeats are computed when the model runs")
    repeats = np.ones(place.rank(0), np.int64)
    repeats[int(np.asarray(axis).reshape(()))] = int(np.asarray(times).reshape(()))
    place.node.resize_inputs(2)
    place.constant(1, repeats)


def _power_of_norm(place: _Place) -> None:
    p = place.drop("p", 2)
    if p != int(p):
        raise place.refusal(f"its norm is of the order {p}, which is no whole number")
    place.put(p=int(p))


def _upsample(place: _Place) -> None:
    height, width = place.drop("height_scale"), place.drop("width_scale")
    if height is not None and width is not None:
        place.put(scales=[1.0, 1.0, float(height), float(width)])
    mode = place.node.attributes.get("mode")
    if mode is not None and mode.value == "bilinear":
        place.put(mode="linear")


def _recurrent(place: _Place) -> None:
    place.drop("output_sequence")  # whether the first output is there is seen by its name


def _selu(place: _Place) -> None:
    if place.opset < 6:  # with four digits until then
        given = place.node.attributes
        place.put(**{name: value for name, value in {"alpha": 1.6732, "gamma": 1.0507}.items() if name not in given})


def _gemm(place: _Place) -> None:
    place.drop("broadcast")


RULES: dict[str, Callable[[_Place], None]] = {
    **dict.fromkeys(BROADCAST, _broadcast), **dict.fromkeys(("BatchNormalization", "Dropout"), _trained),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent), **dict.fromkeys(("LpPool", "GlobalLpPool"), _power_of_norm),
    "Gemm": _gemm, "PRelu": _slope, "Reshape": _reshape, "Cast": _cast, "Concat": _concat, "Pad": _pad, "Split": _split,
    "Tile": _tile, "Upsample": _upsample, "Selu": _selu,
}  # fmt: skip
