"""Layers that merge several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.export.keras_layers.normalization import unit
from metannvis_translate.export.keras_layers.registry import keras_layer, keras_op

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.export.keras_emitter import KerasEmitter

FOLDS = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Maximum": "Max",
    "Minimum": "Min",
    "Average": "Add",
}


def _aligned(e: KerasEmitter, inputs: Sequence[ir.Value]) -> list[ir.Value]:
    """Inputs of one rank: Keras puts axes of size one behind the batch."""
    rank = max(e.rank(x) for x in inputs)
    return [e.unsqueeze(x, range(1, 1 + rank - e.rank(x))) for x in inputs]


def _broadcast(e: KerasEmitter, x: ir.Value, y: ir.Value) -> list[int | None]:
    pairs = zip(e.shape(x), e.shape(y), strict=True)
    return [b if a == 1 else a if b == 1 else (a if a is not None else b) for a, b in pairs]


@keras_layer("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
def Merge(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    result, *rest = _aligned(e, inputs)
    for x in rest:
        result = e.emit(FOLDS[type(layer).__name__], result, x, shape=_broadcast(e, result, x))
    if type(layer).__name__ == "Average":
        return e.emit("Div", result, e.scalar(float(len(inputs)), result), shape=e.shape(result))
    return result


@keras_layer("Concatenate")
def Concatenate(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    return e.emit("Concat", *inputs, axis=int(layer.axis), shape=e.output_shape())


@keras_op("Concatenate")
def ConcatenateOp(e: KerasEmitter, op: Any, xs: Sequence[Any]) -> ir.Value:
    return e.emit("Concat", *(e.tensor(x, e.dtype) for x in xs), axis=int(op.axis), shape=e.output_shape())


@keras_layer("Dot")
def Dot(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    x, y = inputs
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else list(layer.axes)
    axes = [int(axis) % e.rank(v) for axis, v in zip(axes, inputs, strict=True)]
    if layer.normalize:
        x, y = (unit(e, v, [axis], 1e-12) for v, axis in zip((x, y), axes, strict=True))
    if max(e.rank(x), e.rank(y)) > 3:
        e.refuse("its inputs have more than three axes")
    flat = e.rank(x) == e.rank(y) == 2
    x = _contracted_last(e, x, axes[0])
    y = e.transpose(_contracted_last(e, y, axes[1]), (0, 2, 1))
    result = e.emit("MatMul", x, y, shape=(e.shape(x)[0], e.shape(x)[1], e.shape(y)[2]))
    ones = [axis for axis, v in ((1, inputs[0]), (2, inputs[1])) if e.rank(v) == 2]
    return e.squeeze(result, [1] if flat else ones)


def _contracted_last(e: KerasEmitter, x: ir.Value, axis: int) -> ir.Value:
    """(N, rows, contracted), with one row for a vector."""
    if e.rank(x) == 2:
        return e.unsqueeze(x, [1])
    return e.transpose(x, (0, 3 - axis, axis))
