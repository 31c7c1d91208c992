"""``keras.ops`` that reduce axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_op
from metannvis_translate.graph.metadata import NUMBERS

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

REDUCE = {
    "Mean": "ReduceMean",
    "Sum": "ReduceSum",
    "Max": "ReduceMax",
    "Amax": "ReduceMax",
    "Min": "ReduceMin",
    "Amin": "ReduceMin",
    "Prod": "ReduceProd",
    "Logsumexp": "ReduceLogSumExp",
}


def _axes(op: Any) -> list[int] | None:
    axis = op.axis
    return None if axis is None else [int(axis)] if isinstance(axis, (int, np.integer)) else [int(a) for a in axis]


for _name, _op in REDUCE.items():

    @keras_op(_name)
    def reduction(e: KerasEmitter, op: Any, x: ir.Value, *, _op: str = _op) -> ir.Value:
        if getattr(op, "initial", None) is not None:
            e.refuse("an initial value")
        return e.reduce(_op, e.promoted(x), _axes(op), op.keepdims)


@keras_op("Var", "Std")
def Variance(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    x, axes = e.promoted(x), _axes(op)
    centred = e.emit("Sub", x, e.reduce("ReduceMean", x, axes, keepdims=True), shape=e.shape(x))
    y = e.reduce("ReduceMean", e.emit("Mul", centred, centred, shape=e.shape(x)), axes, op.keepdims)
    return e.emit("Sqrt", y) if type(op).__name__ == "Std" else y


@keras_op("Det")
def Det(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.emit("Det", x, shape=e.output_shape())


@keras_op("Corrcoef")
def Corrcoef(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    x = e.cast(x, e.dtype) if e.dtype_of(e.dtype).is_floating_point() else x
    if e.rank(x) != 2 or e.shape(x)[1] is None:
        e.refuse("it is not of rows of known length")
    rows, length = e.shape(x)
    centred = e.emit("Sub", x, e.reduce("ReduceMean", x, [1], keepdims=True), shape=e.shape(x))
    count = e.scalar(float(length or 0) - 1, x)
    shape = (rows, rows)
    covariance = e.emit("MatMul", centred, e.transpose(centred, [1, 0]), shape=shape)
    covariance = e.emit("Div", covariance, count, shape=shape)
    squares = e.reduce("ReduceSum", e.emit("Mul", centred, centred, shape=e.shape(x)), [1], keepdims=False)
    deviation = e.emit("Sqrt", e.emit("Div", squares, count, shape=(rows,)))
    scale = e.emit("Mul", e.unsqueeze(deviation, [1]), e.unsqueeze(deviation, [0]), shape=shape)
    y = e.emit("Div", covariance, scale, shape=shape)
    return e.emit("Max", e.emit("Min", y, e.scalar(1.0, y), shape=shape), e.scalar(-1.0, y), shape=shape)


@keras_op("Any", "All")
def AnyAll(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    how = "ReduceMax" if type(op).__name__ == "Any" else "ReduceMin"
    return e.cast(e.reduce(how, e.cast(e.cast(x, "bool"), "int32"), _axes(op), op.keepdims), "bool")


@keras_op("Argmax", "Argmin")
def ArgMax(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    axis, keepdims = op.axis, bool(op.keepdims)
    if axis is None:
        x, axis, keepdims = e.reshape(x, [-1]), 0, False
    y = e.emit(
        "ArgMax" if type(op).__name__ == "Argmax" else "ArgMin",
        x,
        axis=int(axis),
        keepdims=int(keepdims),
        dtype="int64",
        shape=e.output_shape(),
    )
    e.state(y, NUMBERS, "signed")
    return e.cast(y, e.dtype)
