"""Activations: as functions (the ``activation=`` of a layer), as layers, as ``keras.ops`` operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.conventions import SELU
from metannvis_translate.frameworks.keras.exporter.layers.registry import activation, activations, keras_layer, keras_op

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

#: Activations that are one ONNX operator without attributes, by the name of the Keras function.
PLAIN = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "exponential": "Exp",
    "mish": "Mish",
    "hard_silu": "HardSwish",
}


def _binary(e: KerasEmitter, op: str, x: Any, y: Any, like: ir.Value) -> ir.Value:
    """An operator between a value and another or a number, of ``like``'s shape."""
    x, y = (e.scalar(v, like) if isinstance(v, (int, float)) else v for v in (x, y))
    return e.emit(op, x, y, shape=e.shape(like), dtype=None if op[:4] in ("Grea", "Less") else like.dtype)


for _name, _op in PLAIN.items():

    @activation(_name)
    def plain(e: KerasEmitter, x: ir.Value, *, _op: str = _op) -> ir.Value:
        return e.emit(_op, x)


@activation("linear")
def linear(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return x


@activation("relu")
def relu(
    e: KerasEmitter,
    x: ir.Value,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> ir.Value:
    negative_slope, threshold = float(negative_slope or 0), float(threshold or 0)
    bound = float(np.float32(threshold))  # Keras casts threshold and maximum from single precision
    if negative_slope and max_value is None and not threshold:
        return leaky_relu(e, x, negative_slope)
    if threshold:
        y = e.emit("ThresholdedRelu", x, alpha=bound, exact={"alpha": bound})
    elif max_value == 6:
        y = relu6(e, x)
    else:
        y = e.emit("Relu", x)
    if max_value is not None and (threshold or max_value != 6):
        y = e.emit("Clip", y, e.scalar(0.0, x), e.scalar(float(np.float32(max_value)), x))
    if not negative_slope:
        return y
    negative = e.emit("Neg", x)
    if threshold:
        negative = _binary(e, "Add", negative, threshold, x)
    return _binary(e, "Sub", y, _binary(e, "Mul", e.emit("Relu", negative), negative_slope, x), x)


@activation("relu6")
def relu6(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Clip", x, e.scalar(0.0, x), e.scalar(6.0, x))


@activation("leaky_relu")
def leaky_relu(e: KerasEmitter, x: ir.Value, negative_slope: float = 0.2) -> ir.Value:
    # TensorFlow's kernel takes the slope as a float32 attribute, in double precision too.
    slope = float(np.float32(negative_slope))
    return e.emit("LeakyRelu", x, alpha=slope, exact={"alpha": slope})


@activation("elu")
def elu(e: KerasEmitter, x: ir.Value, alpha: float = 1.0) -> ir.Value:
    return e.emit("Elu", x, alpha=float(alpha), exact={"alpha": alpha})


@activation("selu")
def selu(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Selu", x, exact=SELU, alpha=SELU["alpha"], gamma=SELU["gamma"])


@activation("celu")
def celu(e: KerasEmitter, x: ir.Value, alpha: float = 1.0) -> ir.Value:
    if x.dtype != e.dtype_of("float64"):
        return e.emit("Celu", x, alpha=float(alpha), exact={"alpha": alpha})
    below = _binary(e, "Div", _binary(e, "Min", x, 0.0, x), float(alpha), x)  # ONNX' Celu is for single precision only
    below = _binary(e, "Mul", _binary(e, "Sub", e.emit("Exp", below), 1.0, x), float(alpha), x)
    return _binary(e, "Add", _binary(e, "Max", x, 0.0, x), below, x)


@activation("silu")
def silu(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Mul", x, e.emit("Sigmoid", x), shape=e.shape(x))


@activation("gelu")
def gelu(e: KerasEmitter, x: ir.Value, approximate: bool = False) -> ir.Value:
    return e.emit("Gelu", x, approximate="tanh" if approximate else "none")


@activation("hard_sigmoid")
def hard_sigmoid(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("HardSigmoid", x, alpha=1 / 6, beta=0.5, exact={"alpha": 1 / 6, "beta": 0.5})


@activation("sparse_sigmoid")
def sparse_sigmoid(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("HardSigmoid", x, alpha=0.5, beta=0.5, exact={"alpha": 0.5, "beta": 0.5})


@activation("log_sigmoid")
def log_sigmoid(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Neg", e.emit("Softplus", e.emit("Neg", x)))


@activation("hard_tanh")
def hard_tanh(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Clip", x, e.scalar(-1.0, x), e.scalar(1.0, x))


@activation("tanh_shrink")
def tanh_shrink(e: KerasEmitter, x: ir.Value) -> ir.Value:
    return e.emit("Sub", x, e.emit("Tanh", x), shape=e.shape(x))


@activation("soft_shrink")
def soft_shrink(e: KerasEmitter, x: ir.Value, threshold: float = 0.5) -> ir.Value:
    shape, zero = e.shape(x), e.scalar(0.0, x)
    parts = (("Greater", "Sub", float(threshold)), ("Less", "Add", -float(threshold)))
    y = zero  # what is no number is neither above nor below: Keras makes zero of it
    for compare, operator, bound in parts[::-1]:
        beyond = e.emit(compare, x, e.scalar(bound, x), shape=shape)
        moved = e.emit(operator, x, e.scalar(abs(bound), x), shape=shape)
        y = e.emit("Where", beyond, moved, y, shape=shape, dtype=x.dtype)
    return y


@activation("hard_shrink")
def hard_shrink(e: KerasEmitter, x: ir.Value, threshold: float = 0.5) -> ir.Value:
    # Shrink of no bias, but that PyTorch's module hands on what is no number
    above = e.emit("Greater", e.emit("Abs", x), e.scalar(float(threshold), x), shape=e.shape(x))
    return e.emit("Where", above, x, e.scalar(0.0, x), shape=e.shape(x), dtype=x.dtype)


@activation("threshold")
def threshold(e: KerasEmitter, x: ir.Value, threshold: float, default_value: float) -> ir.Value:
    above = e.emit("Greater", x, e.scalar(float(threshold), x), shape=e.shape(x))
    return e.emit("Where", above, x, e.scalar(float(default_value), x), shape=e.shape(x), dtype=x.dtype)


@activation("sparse_plus")
def sparse_plus(e: KerasEmitter, x: ir.Value) -> ir.Value:
    shape = e.shape(x)
    above = e.emit("Less", x, e.scalar(1.0, x), shape=shape)
    below = e.emit("LessOrEqual", x, e.scalar(-1.0, x), shape=shape)
    one_more = _binary(e, "Add", x, 1.0, x)
    curve = _binary(e, "Mul", e.emit("Mul", one_more, one_more, shape=shape), 0.25, x)
    inner = e.emit("Where", above, curve, x, shape=shape, dtype=x.dtype)
    return e.emit("Where", below, e.scalar(0.0, x), inner, shape=shape, dtype=x.dtype)


@activation("squareplus")
def squareplus(e: KerasEmitter, x: ir.Value, b: float = 4) -> ir.Value:
    root = e.emit("Sqrt", _binary(e, "Add", e.emit("Mul", x, x, shape=e.shape(x)), float(b), x))
    return _binary(e, "Div", e.emit("Add", x, root, shape=e.shape(x)), 2.0, x)


@activation("glu")
def glu(e: KerasEmitter, x: ir.Value, axis: int = -1) -> ir.Value:
    shape = list(e.shape(x))
    shape[axis] = None if shape[axis] is None else int(shape[axis] or 0) // 2
    first, second = e.emit_many("Split", x, axis=axis, num_outputs=2, outputs=2, shapes=[shape, shape])
    return e.emit("Mul", first, e.emit("Sigmoid", second), shape=shape)


@activation("softmax")
def softmax(e: KerasEmitter, x: ir.Value, axis: int | Sequence[int] | None = -1) -> ir.Value:
    if isinstance(axis, (list, tuple)) and len(axis) > 1:
        total = e.reduce("ReduceLogSumExp", x, list(axis), keepdims=True)
        return e.emit("Exp", e.emit("Sub", x, total, shape=e.shape(x)))
    return _along(e, "Softmax", x, axis)


@activation("log_softmax")
def log_softmax(e: KerasEmitter, x: ir.Value, axis: int | None = -1) -> ir.Value:
    return _along(e, "LogSoftmax", x, axis)


def _along(e: KerasEmitter, op: str, x: ir.Value, axis: int | Sequence[int] | None) -> ir.Value:
    if axis is None:
        e.refuse("a softmax over all axes, the batch included")
    axis = axis if isinstance(axis, int) else axis[0]
    return e.emit(op, x, axis=int(axis))


@activation("sparsemax")
def sparsemax(e: KerasEmitter, x: ir.Value, axis: int = -1) -> ir.Value:
    shape = e.shape(x)
    size = shape[axis]
    if size is None:
        e.refuse("sparsemax over an axis of unknown size")
    ranks = np.arange(1, size + 1, dtype=x.dtype.numpy() if x.dtype is not None else np.float32)
    ranks = ranks.reshape([-1 if k == axis % len(shape) else 1 for k in range(len(shape))])
    ordered, _ = e.emit_many("TopK", x, e.ints(size), axis=axis, outputs=2, shapes=[shape, shape])
    cumulated = e.emit("CumSum", ordered, e.constant(np.asarray(axis, np.int64)))
    bound = e.emit("Div", _binary(e, "Sub", cumulated, 1.0, x), ranks, shape=shape)
    support = e.emit("Greater", e.emit("Sub", ordered, bound, shape=shape), e.scalar(0.0, x), shape=shape)
    # Keras sums the cumulated values of the support, where the paper takes the last of them; so do we.
    kept = e.emit("Where", support, cumulated, e.scalar(0.0, x), shape=shape, dtype=x.dtype)
    count = e.reduce("ReduceSum", e.cast(support, x.dtype), [axis], keepdims=True)
    total = e.reduce("ReduceSum", kept, [axis], keepdims=True)
    tau = e.emit("Div", _binary(e, "Sub", total, 1.0, total), count, shape=e.shape(count))
    return _binary(e, "Max", e.emit("Sub", x, tau, shape=shape), 0.0, x)


# --- layers -----------------------------------------------------------------------------------------------------------


@keras_layer("Activation")
def Activation(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.activate(layer.activation, x)


@keras_layer("ReLU")
def ReLU(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return relu(e, x, layer.negative_slope, layer.max_value, layer.threshold)


@keras_layer("LeakyReLU")
def LeakyReLU(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return leaky_relu(e, x, layer.negative_slope)


@keras_layer("ELU")
def ELU(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return elu(e, x, float(layer.alpha))


@keras_layer("PReLU")
def PReLU(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("PRelu", x, e.weight_of(layer, "alpha"))


@keras_layer("Softmax")
def Softmax(e: KerasEmitter, layer: Any, x: ir.Value, mask: Any = None) -> ir.Value:
    if mask is None:
        return softmax(e, x, layer.axis)
    mask = e.tensor(mask)
    if mask.dtype != e.dtype_of("bool"):
        mask = e.emit("Greater", mask, e.scalar(0.5, mask), shape=e.shape(mask))
    lowest = -3e4 if x.dtype == e.dtype_of("float16") else -1e9
    x = e.emit("Where", mask, x, e.scalar(lowest, x), shape=e.shape(x), dtype=x.dtype)
    y = softmax(e, x, layer.axis)
    return e.emit("Where", mask, y, e.scalar(0.0, y), shape=e.shape(y), dtype=y.dtype)


# --- operations -------------------------------------------------------------------------------------------------------

#: Operations that share a converter with an activation, and their arguments, by class name.
OPERATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Relu": ("relu", ()),
    "ReLU": ("relu", ("negative_slope", "max_value", "threshold")),
    "Relu6": ("relu6", ()),
    "Sigmoid": ("sigmoid", ()),
    "SparseSigmoid": ("sparse_sigmoid", ()),
    "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()),
    "SoftShrink": ("soft_shrink", ("threshold",)),
    "SparsePlus": ("sparse_plus", ()),
    "Silu": ("silu", ()),
    "Squareplus": ("squareplus", ("b",)),
    "LogSigmoid": ("log_sigmoid", ()),
    "LeakyRelu": ("leaky_relu", ("negative_slope",)),
    "HardSigmoid": ("hard_sigmoid", ()),
    "HardSilu": ("hard_silu", ()),
    "Elu": ("elu", ("alpha",)),
    "Selu": ("selu", ()),
    "Gelu": ("gelu", ("approximate",)),
    "Celu": ("celu", ("alpha",)),
    "Glu": ("glu", ("axis",)),
    "Tanh": ("tanh", ()),
    "TanhShrink": ("tanh_shrink", ()),
    "HardTanh": ("hard_tanh", ()),
    "HardShrink": ("hard_shrink", ("threshold",)),
    "Threshold": ("threshold", ("threshold", "default_value")),
    "Softmax": ("softmax", ("axis",)),
    "LogSoftmax": ("log_softmax", ("axis",)),
    "Sparsemax": ("sparsemax", ("axis",)),
    "Mish": ("mish", ()),
}

for _name, (_function, _arguments) in OPERATIONS.items():

    @keras_op(_name)
    def operation(
        e: KerasEmitter,
        op: Any,
        x: ir.Value,
        *,
        _function: str = _function,
        _arguments: tuple[str, ...] = _arguments,
    ) -> ir.Value:
        row = activations.get(_function)
        if row is None:
            e.refuse("no converter")
        result: ir.Value = row(e, x, *(getattr(op, name) for name in _arguments))
        return result
