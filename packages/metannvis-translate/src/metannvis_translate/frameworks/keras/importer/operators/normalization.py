"""Normalisations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops

Weights = dict[str, np.ndarray[Any, Any]]


@converter("BatchNormalization", since=7)
def BatchNormalization(
    ctx: KerasImporter,
    X: Value,
    scale: Value,
    B: Value,
    input_mean: Value,
    input_var: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
) -> LaidOut:
    """Native ``BatchNormalization`` over wherever the channels lie. Momentum means the same in both."""
    if training_mode or not spatial:
        ctx.refuse("only inference over whole channels is supported")
    x = ctx.channels_last(X)
    values = {"gamma": scale, "beta": B, "moving_mean": input_mean, "moving_variance": input_var}
    if not all(isinstance(value, ConstantValue) and value.recipe is None for value in values.values()):
        gamma, beta, mean, variance = (ctx.plain(value).tensor for value in values.values())
        factor = ops.multiply(gamma, ops.rsqrt(ops.add(variance, epsilon)))
        return ctx.keep(x, add(ops.multiply(ops.subtract(x.tensor, mean), factor), beta))
    axis = x.axis(1)
    result = ctx.layer_of(
        layers.BatchNormalization,
        x.tensor,
        weights={name: ctx.known(value, name) for name, value in values.items()},
        axis=-1 if axis == x.rank - 1 else axis,
        epsilon=epsilon,
        momentum=momentum,
    )
    return ctx.keep(x, result)


@converter("LayerNormalization", since=17)
def LayerNormalization(
    ctx: KerasImporter,
    X: Value,
    Scale: Value,
    B: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> LaidOut | tuple[LaidOut, ...]:
    """Native ``LayerNormalization`` over the trailing logical axes; its mean and 1 / deviation only as arithmetic."""
    x = ctx.placed(X)
    logical = list(range(axis % x.rank, x.rank))
    shape = trailing_shape(ctx, logical)
    statistics = ctx.used_outputs() > 1
    if (
        statistics
        or shape is None
        or not isinstance(Scale, ConstantValue)
        or not (B is None or isinstance(B, ConstantValue))
    ):
        own, tensor = stash(ctx, x.tensor, stash_type)
        axes = [x.axis(a) for a in logical]
        mean = ops.mean(tensor, axis=axes, keepdims=True)
        centered = ops.subtract(tensor, mean)
        inverse = ops.rsqrt(ops.add(ops.mean(ops.square(centered), axis=axes, keepdims=True), epsilon))
        result = scaled(ctx, x, ops.cast(ops.multiply(centered, inverse), own), Scale, B)
        return result, *(ctx.keep(x, stashed(ctx, part, k)) for k, part in ((1, mean), (2, inverse)))
    # the layer's weights run over the physical axes in ascending order
    physical = sorted(x.axis(a) for a in logical)
    perm = [logical.index(x.order[p]) for p in physical]
    weights: Weights = {}
    if not is_nothing(Scale, 1):
        weights["gamma"] = np.broadcast_to(Scale.array, shape).transpose(perm)
    if B is not None and not is_nothing(B, 0):
        weights["beta"] = np.broadcast_to(B.array, shape).transpose(perm)
    result = ctx.layer_of(
        layers.LayerNormalization,
        x.tensor,
        weights=weights,
        axis=physical if len(physical) > 1 else physical[0],
        epsilon=epsilon,
        scale="gamma" in weights,
        center="beta" in weights,
    )
    return ctx.keep(x, result)


@converter("RMSNormalization", since=23)
def RMSNormalization(
    ctx: KerasImporter, X: Value, scale: Value, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> LaidOut:
    """X / sqrt(mean of squares + epsilon) · scale over the trailing logical axes; natively for the last one."""
    x = ctx.placed(X)
    logical = list(range(axis % x.rank, x.rank))
    shape = trailing_shape(ctx, logical)
    if shape is not None and len(shape) == 1 and isinstance(scale, ConstantValue) and not ctx.exact:
        weights: Weights = {"scale": np.broadcast_to(scale.array, shape)}
        position = x.axis(-1)
        position = -1 if position == x.rank - 1 else position
        return ctx.keep(
            x, ctx.layer_of(layers.RMSNormalization, x.tensor, weights=weights, axis=position, epsilon=epsilon)
        )
    own, tensor = stash(ctx, x.tensor, stash_type)
    square = ops.mean(ops.square(tensor), axis=[x.axis(a) for a in logical], keepdims=True)
    return scaled(ctx, x, ops.cast(ops.multiply(tensor, ops.rsqrt(ops.add(square, epsilon))), own), scale, None)


def is_nothing(value: ConstantValue, neutral: float) -> bool:
    """Whether a scale of ones, or an offset of zeros, is what an exporter writes where the source has none."""
    return not value.trainable and bool((value.array == neutral).all())


def trailing_shape(ctx: KerasImporter, logical: list[int]) -> tuple[int, ...] | None:
    """Sizes of the first input's axes that a normalisation runs over, ``None`` if one is not known."""
    shape = ctx.shape(0)
    sizes = [] if shape is None else [n for a in logical if (n := shape[a]) is not None]
    return tuple(sizes) if len(sizes) == len(logical) else None


def stash(ctx: KerasImporter, tensor: Any, stash_type: int) -> tuple[str, Any]:
    """The dtype of a tensor, and the tensor in that in which its statistics are computed."""
    import onnx_ir as ir

    own = keras.backend.standardize_dtype(tensor.dtype)
    dtype = ctx.float_dtype(ir.DataType(stash_type).name)
    return own, tensor if own in (dtype, "float64") else ops.cast(tensor, dtype)


def stashed(ctx: KerasImporter, tensor: Any, position: int) -> Any:
    """A statistic in the dtype that the node declares for it."""
    dtype = ctx.node.outputs[position].dtype if position < len(ctx.node.outputs) else None
    return tensor if dtype is None else ops.cast(tensor, ctx.float_dtype(dtype.name))


def scaled(ctx: KerasImporter, x: LaidOut, tensor: Any, scale: Value, bias: Value | None) -> LaidOut:
    """Tensor · scale + bias, both broadcast from the last logical axes of ``x``."""
    tensor = ops.multiply(tensor, ctx.broadcastable(scale, x.order))
    return ctx.keep(x, tensor if bias is None else add(tensor, ctx.broadcastable(bias, x.order)))


@converter("InstanceNormalization", since=6)
def InstanceNormalization(
    ctx: KerasImporter, input: Value, scale: Value, B: Value, *, epsilon: float = 1e-5
) -> LaidOut:
    """Each channel of each sample by its own mean and variance over space: groups of one channel."""
    channels = ctx.channels_last(input).tensor.shape[-1]
    return grouped(ctx, input, scale, B, channels, epsilon)


@converter("GroupNormalization", since=18)
def GroupNormalization_18(
    ctx: KerasImporter, X: Value, scale: Value, bias: Value, *, epsilon: float = 1e-5, num_groups: int
) -> LaidOut:
    """One scale and bias a group."""
    each = ctx.channels_last(X).tensor.shape[-1] // num_groups

    def spread(value: Value) -> Value:
        if isinstance(value, ConstantValue):
            return dataclasses.replace(value, array=np.repeat(value.array, each), exact=None)
        x = ctx.plain(value)
        return ctx.keep(x, ops.repeat(x.tensor, each))

    return grouped(ctx, X, spread(scale), spread(bias), num_groups, epsilon)


@converter("GroupNormalization", domain=DOMAIN)
@converter("GroupNormalization", since=21)
def GroupNormalization(
    ctx: KerasImporter,
    X: Value,
    scale: Value,
    bias: Value,
    *,
    epsilon: float = 1e-5,
    num_groups: int,
    stash_type: int = 1,
) -> LaidOut:
    """One scale and bias a channel."""
    return grouped(ctx, X, scale, bias, num_groups, epsilon, stash_type)


def grouped(
    ctx: KerasImporter, X: Value, scale: Value, bias: Value, groups: int, epsilon: float, stash_type: int = 1
) -> LaidOut:
    """Native ``GroupNormalization``; composed in double, for which Keras' own is too coarse."""
    x = ctx.channels_last(X)
    if isinstance(scale, ConstantValue) and isinstance(bias, ConstantValue) and not ctx.exact:
        weights = {
            name: value.array
            for name, value, neutral in (("gamma", scale, 1), ("beta", bias, 0))
            if not is_nothing(value, neutral)
        }
        result = ctx.layer_of(
            layers.GroupNormalization,
            x.tensor,
            weights=weights,
            groups=groups,
            axis=-1,
            epsilon=epsilon,
            scale="gamma" in weights,
            center="beta" in weights,
        )
        return ctx.keep(x, result)
    channels, space = x.tensor.shape[-1], list(range(1, x.rank - 1))

    def mean(tensor: Any) -> Any:
        """Over space and the channels of a group, shape (batch, 1, …, channels)."""
        tensor = ops.mean(tensor, axis=space) if space else tensor
        if groups != channels:
            parts = ops.mean(ops.reshape(tensor, (-1, groups, channels // groups)), axis=-1)
            tensor = ops.repeat(parts, channels // groups, axis=1)
        return ops.reshape(tensor, (-1, *[1] * len(space), channels))

    own, tensor = stash(ctx, x.tensor, stash_type)
    centered = ops.subtract(tensor, mean(tensor))
    result = ops.multiply(centered, ops.rsqrt(ops.add(mean(ops.square(centered)), epsilon)))
    gamma, beta = ctx.plain(scale).tensor, ctx.plain(bias).tensor
    return ctx.keep(x, add(ops.multiply(ops.cast(result, own), gamma), beta))


@converter("LpNormalization", since=1)
def LpNormalization(ctx: KerasImporter, input: Value, *, axis: int = -1, p: int = 2) -> LaidOut:
    """X / (Σ |x|ᵖ)^(1/p); zeros stay zeros, with no derivative."""
    x = ctx.placed(input)
    where, zero = x.axis(axis), np.zeros((), ctx.compute)
    size = ops.abs(x.tensor) if p == 1 else ops.square(x.tensor)
    total = ops.sum(size, axis=where, keepdims=True)
    empty = ops.equal(total, zero)
    total = ops.where(empty, np.ones((), ctx.compute), total)
    return ctx.keep(x, ops.where(empty, zero, ops.divide(x.tensor, total if p == 1 else ops.sqrt(total))))


@converter("LRN", since=1)
def LRN(
    ctx: KerasImporter, X: Value, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> LaidOut:
    """Local response normalisation over neighbouring channels: x / (bias + alpha / size · Σ x²) ** beta."""
    x = ctx.channels_last(X)
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    square = ops.pad(ops.square(x.tensor), [(0, 0)] * (x.rank - 1) + [(before, after)])
    channels = x.tensor.shape[-1]
    total = square[..., 0:channels]
    for k in range(1, size):
        total = ops.add(total, square[..., k : k + channels])
    return ctx.keep(x, ops.divide(x.tensor, ops.power(ops.add(ops.multiply(total, alpha / size), bias), beta)))


@converter("MeanVarianceNormalization", since=9)
def MeanVarianceNormalization(ctx: KerasImporter, X: Value, *, axes: tuple[int, ...] = (0, 2, 3)) -> LaidOut:
    x = ctx.placed(X)
    physical = [x.axis(a) for a in axes]
    centered = ops.subtract(x.tensor, ops.mean(x.tensor, axis=physical, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axis=physical, keepdims=True))
    return ctx.keep(x, ops.divide(centered, ops.add(deviation, 1e-9)))
