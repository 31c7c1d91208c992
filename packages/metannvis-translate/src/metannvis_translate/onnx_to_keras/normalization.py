"""Normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.importer import Value
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_keras.registry import converter

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

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
) -> Placed:
    """Native ``BatchNormalization`` over wherever the channels lie. Momentum means the same in both."""
    if training_mode or not spatial:
        ctx.refuse("only inference over whole channels is supported")
    x = ctx.channels_last(X)
    names = {"gamma": scale, "beta": B, "moving_mean": input_mean, "moving_variance": input_var}
    weights: Weights = {name: ctx.known(value, name) for name, value in names.items()}
    axis = x.axis(1)
    result = ctx.layer_of(
        layers.BatchNormalization,
        x.tensor,
        weights=weights,
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
) -> Placed:
    """Native ``LayerNormalization`` over the trailing logical axes."""
    x = ctx.placed(X)
    scale = ctx.known(Scale, "scale")
    logical = list(range(axis % x.rank, x.rank))
    if scale.ndim != len(logical):
        scale = np.broadcast_to(scale, [n or 1 for n in (ctx.shape(0) or ())][logical[0] :])
    # the layer's weights run over the physical axes in ascending order
    physical = sorted(x.axis(a) for a in logical)
    perm = [logical.index(x.order[p]) for p in physical]
    weights: Weights = {"gamma": scale.transpose(perm)}
    if B is not None:
        bias = ctx.known(B, "bias")
        weights["beta"] = np.broadcast_to(bias, scale.shape).transpose(perm)
    result = ctx.layer_of(
        layers.LayerNormalization,
        x.tensor,
        weights=weights,
        axis=physical if len(physical) > 1 else physical[0],
        epsilon=epsilon,
        center=B is not None,
    )
    return ctx.keep(x, result)


@converter("InstanceNormalization", since=6)
def InstanceNormalization(ctx: KerasImporter, input: Value, scale: Value, B: Value, *, epsilon: float = 1e-5) -> Placed:
    """Each channel of each sample by its own mean and variance over space."""
    x = ctx.channels_last(input)
    result = normalize(x.tensor, list(range(1, x.rank - 1)), epsilon)
    return ctx.keep(x, ops.add(ops.multiply(result, ctx.known(scale, "scale")), ctx.known(B, "bias")))


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
) -> Placed:
    """Native ``GroupNormalization``, one scale a channel; composed in double, for which Keras' own is too coarse."""
    x = ctx.channels_last(X)
    channels = x.tensor.shape[-1]
    if ctx.exact:
        shape = tuple(-1 if d is None else d for d in x.tensor.shape)
        grouped = ops.reshape(x.tensor, (*shape[:-1], num_groups, channels // num_groups))
        result = ops.reshape(normalize(grouped, [*range(1, x.rank - 1), x.rank], epsilon), shape)
        return ctx.keep(x, ops.add(ops.multiply(result, ctx.known(scale, "scale")), ctx.known(bias, "bias")))
    result = ctx.layer_of(
        layers.GroupNormalization,
        x.tensor,
        weights={"gamma": ctx.known(scale, "scale"), "beta": ctx.known(bias, "bias")},
        groups=num_groups,
        axis=-1,
        epsilon=epsilon,
    )
    return ctx.keep(x, result)


@converter("LRN", since=1)
def LRN(
    ctx: KerasImporter, X: Value, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> Placed:
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
def MeanVarianceNormalization(ctx: KerasImporter, X: Value, *, axes: tuple[int, ...] = (0, 2, 3)) -> Placed:
    x = ctx.placed(X)
    physical = [x.axis(a) for a in axes]
    centered = ops.subtract(x.tensor, ops.mean(x.tensor, axis=physical, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axis=physical, keepdims=True))
    return ctx.keep(x, ops.divide(centered, ops.add(deviation, 1e-9)))


def normalize(tensor: Any, axes: list[int], epsilon: float) -> Any:
    """(x − mean) / sqrt(variance + epsilon) over some axes."""
    centered = ops.subtract(tensor, ops.mean(tensor, axis=axes, keepdims=True))
    variance = ops.mean(ops.square(centered), axis=axes, keepdims=True)
    return ops.multiply(centered, ops.rsqrt(ops.add(variance, epsilon)))
