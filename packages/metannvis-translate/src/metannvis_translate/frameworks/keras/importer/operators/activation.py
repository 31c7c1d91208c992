"""Activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN, KINK
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


def activation(ctx: KerasImporter, X: Value, name: str) -> LaidOut:
    x = ctx.placed(X)
    return ctx.keep(x, ctx.layer_of(layers.Activation, x.tensor, activation=name))


@converter("Relu", since=1)
def Relu(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.placed(X)
    return ctx.keep(x, ctx.layer_of(layers.ReLU, x.tensor))


@converter("Sigmoid", since=1)
def Sigmoid(ctx: KerasImporter, X: Value) -> LaidOut:
    return activation(ctx, X, "sigmoid")


@converter("Tanh", since=1)
def Tanh(ctx: KerasImporter, input: Value) -> LaidOut:
    return activation(ctx, input, "tanh")


@converter("Softplus", since=1)
def Softplus(ctx: KerasImporter, X: Value) -> LaidOut:
    return activation(ctx, X, "softplus")


@converter("Softsign", since=1)
def Softsign(ctx: KerasImporter, input: Value) -> LaidOut:
    return activation(ctx, input, "softsign")


@converter("Softplus", domain=DOMAIN)
def Softplus_metannvis(ctx: KerasImporter, X: Value, *, beta: float = 1.0, threshold: float = 20.0) -> LaidOut:
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""
    x = ctx.placed(X)
    scaled = x.tensor if beta == 1 else ops.multiply(x.tensor, beta)
    curve = ctx.layer_of(layers.Activation, scaled, activation="softplus")
    curve = curve if beta == 1 else ops.divide(curve, beta)
    above = ops.greater(scaled, np.asarray(threshold, ctx.compute))
    return ctx.keep(x, ops.where(above, x.tensor, curve))


@converter("Threshold", domain=DOMAIN)
def Threshold(ctx: KerasImporter, X: Value, *, threshold: float, value: float) -> LaidOut:
    """A number in place of whatever is not above the threshold."""
    x = ctx.placed(X)
    below = ops.less_equal(x.tensor, np.asarray(threshold, ctx.compute))
    return ctx.keep(x, ops.where(below, np.asarray(value, ctx.compute), x.tensor))


@converter("GLU", domain=DOMAIN)
def GLU(ctx: KerasImporter, X: Value, *, axis: int = -1) -> LaidOut:
    """The first half along an axis, gated by the sigmoid of the second."""
    x = ctx.placed(X)
    first, second = ops.split(x.tensor, 2, axis=x.axis(axis))
    return ctx.keep(x, ops.multiply(first, ops.sigmoid(second)))


@converter("LeakyRelu", since=1)
def LeakyRelu(ctx: KerasImporter, X: Value, *, alpha: float = 0.01) -> LaidOut:
    """Native ``LeakyReLU``; TensorFlow rounds the slope to single precision, so in double it is composed."""
    x = ctx.placed(X)
    if ctx.exact:
        zero = np.zeros((), ctx.compute)
        return ctx.keep(x, ops.where(ops.greater(x.tensor, zero), x.tensor, ops.multiply(x.tensor, alpha)))
    return ctx.keep(x, ctx.layer_of(layers.LeakyReLU, x.tensor, negative_slope=alpha))


@converter("PRelu", since=7)
def PRelu(ctx: KerasImporter, X: Value, slope: Value) -> LaidOut:
    """Native ``PReLU`` for slopes a channel, shared over space."""
    x = ctx.channels_last(X)
    zero = np.zeros((), ctx.compute)
    if not isinstance(slope, ConstantValue):
        x = ctx.placed(X)
        product = ops.multiply(x.tensor, ctx.broadcastable(slope, x.order))
        return ctx.keep(x, ops.where(ops.greater(x.tensor, zero), x.tensor, product))
    array = slope.array
    array = array.reshape((1,) * (x.rank - array.ndim) + array.shape).transpose(x.order)
    shape = array.shape[1:]
    if array.shape[0] == 1 and len(shape) == x.rank - 1 and x.rank > 1 and shape[-1] in (1, x.tensor.shape[-1]):
        full = tuple(x.tensor.shape[1:])
        shared = [axis + 1 for axis, size in enumerate(shape) if size == 1 and full[axis] != 1]
        if all(size in (1, whole) for size, whole in zip(shape, full, strict=True)):
            weights = {"alpha": array[0]}
            return ctx.keep(x, ctx.layer_of(layers.PReLU, x.tensor, weights=weights, shared_axes=shared or None))
    return ctx.keep(x, ops.where(ops.greater(x.tensor, zero), x.tensor, ops.multiply(x.tensor, array)))


@converter("Elu", since=1)
def Elu(ctx: KerasImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    x = ctx.placed(X)
    return ctx.keep(x, ctx.layer_of(layers.ELU, x.tensor, alpha=alpha))


@converter("Selu", since=1)
def Selu(
    ctx: KerasImporter, X: Value, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875
) -> LaidOut:
    """The scaled ELU: gamma · (x for x > 0, else alpha · (exp(x) − 1)), composed: Keras has its own constants."""
    x = ctx.placed(X)
    standard = np.float32(alpha) == np.float32(1.6732632423543772) and np.float32(gamma) == np.float32(
        1.0507009873554805
    )
    # at zero the derivative of Keras' own is the one from above, PyTorch's the one from below
    if standard and not ctx.exact and ctx.stated(KINK) != "below":
        return activation(ctx, X, "selu")
    zero = np.zeros((), ctx.compute)
    curve = ops.multiply(ops.expm1(ops.minimum(x.tensor, zero)), alpha * gamma)
    return ctx.keep(x, ops.where(ops.greater(x.tensor, zero), ops.multiply(x.tensor, gamma), curve))


@converter("Celu", since=12)
def Celu(ctx: KerasImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    """Composed: the derivative of Keras' own is of single precision."""
    x = ctx.placed(X)
    zero = np.zeros((), ctx.compute)
    curve = ops.multiply(ops.expm1(ops.divide(ops.minimum(x.tensor, zero), alpha)), alpha)
    return ctx.keep(x, ops.where(ops.greater(x.tensor, zero), x.tensor, curve))


@converter("HardSigmoid", since=1)
def HardSigmoid(ctx: KerasImporter, X: Value, *, alpha: float = 0.2, beta: float = 0.5) -> LaidOut:
    """max(0, min(1, alpha · x + beta)), whose derivative at the bounds is 0 in both frameworks."""
    x = ctx.placed(X)
    return ctx.keep(x, strict_clip(ops.add(ops.multiply(x.tensor, alpha), beta), 0.0, 1.0))


@converter("HardSwish", since=14)
def HardSwish(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.placed(X)
    gate = strict_clip(ops.add(ops.divide(x.tensor, 6.0), 0.5), 0.0, 1.0)
    return ctx.keep(x, ops.multiply(x.tensor, gate))


@converter("Swish", since=24)
def Swish(ctx: KerasImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    x = ctx.placed(X)
    if alpha == 1.0:
        return activation(ctx, X, "silu")
    return ctx.keep(x, ops.multiply(x.tensor, ops.sigmoid(ops.multiply(x.tensor, alpha))))


@converter("SwiGLU", since=28)
def SwiGLU(ctx: KerasImporter, A: Value, B: Value, *, alpha: float = 1.0) -> LaidOut:
    """A · sigmoid(alpha · A) · B."""
    a = ctx.placed(A)
    gate = ops.sigmoid(a.tensor if alpha == 1.0 else ops.multiply(a.tensor, alpha))
    return ctx.keep(a, ops.multiply(ops.multiply(a.tensor, gate), ctx.broadcastable(B, a.order)))


@converter("Mish", since=18)
def Mish(ctx: KerasImporter, X: Value) -> LaidOut:
    return activation(ctx, X, "mish")


@converter("Gelu", since=20)
def Gelu(ctx: KerasImporter, X: Value, *, approximate: str = "none") -> LaidOut:
    x = ctx.placed(X)
    if ctx.exact:
        return ctx.keep(x, gelu(x.tensor, approximate == "tanh"))
    if approximate == "tanh":
        return ctx.keep(x, ops.gelu(x.tensor, approximate=True))
    return activation(ctx, X, "gelu")


def gelu(tensor: Any, approximate: bool) -> Any:
    """Composed of operations that are exact in double precision."""
    if approximate:
        inner = ops.multiply(ops.add(tensor, ops.multiply(ops.power(tensor, 3), 0.044715)), float(np.sqrt(2 / np.pi)))
        return ops.multiply(ops.multiply(tensor, 0.5), ops.add(ops.tanh(inner), 1.0))
    return ops.multiply(ops.multiply(tensor, 0.5), ops.add(ops.erf(ops.multiply(tensor, float(np.sqrt(0.5)))), 1.0))


@converter("ThresholdedRelu", since=1)
def ThresholdedRelu(ctx: KerasImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    x = ctx.placed(X)
    return ctx.keep(x, ops.where(ops.greater(x.tensor, alpha), x.tensor, ops.zeros_like(x.tensor)))


@converter("Shrink", since=9)
def Shrink(ctx: KerasImporter, input: Value, *, bias: float = 0.0, lambd: float = 0.5) -> LaidOut:
    x = ctx.placed(input)
    low = ops.where(ops.less(x.tensor, -lambd), ops.add(x.tensor, bias), ops.zeros_like(x.tensor))
    return ctx.keep(x, ops.where(ops.greater(x.tensor, lambd), ops.subtract(x.tensor, bias), low))


@converter("Clip", since=1)
def Clip_1(ctx: KerasImporter, input: Value, *, max: float | None = None, min: float | None = None) -> LaidOut:
    x = ctx.placed(input)
    return ctx.keep(x, clip(ctx, x.tensor, min, max))


@converter("Clip", since=11)
def Clip(ctx: KerasImporter, input: Value, min: Value | None = None, max: Value | None = None) -> LaidOut:
    x = ctx.placed(input)
    if any(isinstance(bound, LaidOut) for bound in (min, max)):
        tensor = x.tensor
        for bound, function in ((min, ops.maximum), (max, ops.minimum)):
            if bound is not None:
                tensor = function(tensor, ctx.plain(bound).tensor)
        return ctx.keep(x, tensor)
    bounds = [bound.scalar() if isinstance(bound, ConstantValue) else None for bound in (min, max)]
    # both frameworks have a function of their own for these bounds, without a derivative at them
    if ctx.stated(KINK) is not None and bounds[0] == 0 and bounds[1] == 6:
        return ctx.keep(x, ctx.layer_of(layers.ReLU, x.tensor, max_value=6.0))
    return ctx.keep(x, clip(ctx, x.tensor, *bounds))


def clip(ctx: KerasImporter, tensor: Any, low: Any, high: Any) -> Any:
    """Limit to [low, high]. At a bound the source's derivative is kept: PyTorch's is 0; else TensorFlow's, which is 1."""
    if low is None and high is None:
        return tensor
    if ctx.stated(KINK) == "none":
        return strict_clip(tensor, low, high)
    if low is None:
        return ops.minimum(tensor, high)
    return ops.maximum(tensor, low) if high is None else ops.clip(tensor, low, high)


def strict_clip(tensor: Any, low: Any, high: Any) -> Any:
    """Limit to [low, high]; the derivative at a bound is 0."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    for bound, beyond in ((low, ops.less_equal), (high, ops.greater_equal)):
        if bound is not None:
            limit = np.asarray(bound, dtype)
            tensor = ops.where(beyond(tensor, limit), limit, tensor)
    return tensor
