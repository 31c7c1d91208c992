"""Normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op
from metannvis_translate.graph import layout

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


def _fill(e: KerasEmitter, name: str, shape: Any, value: float, like: ir.Value) -> ir.Value:
    """A weight that the layer was told to do without."""
    dtype = like.dtype.numpy() if like.dtype is not None else np.float32
    return e.buffer(name, np.full(tuple(shape), value, dtype))


@keras_layer("BatchNormalization")
def BatchNormalization(e: KerasEmitter, layer: Any, x: ir.Value, mask: Any = None) -> ir.Value:
    rank = e.rank(x)
    axis = int(layer.axis) % rank
    order = (0, axis, *(k for k in range(1, rank) if k != axis)) if axis else (0, *range(1, rank))
    if axis == 0:
        e.refuse("it normalises the batch axis")
    x = e.transpose(x, order)
    size = layer.moving_mean.shape
    gamma = e.weight_of(layer, "gamma") if layer.scale else _fill(e, "gamma", size, 1.0, x)
    beta = e.weight_of(layer, "beta") if layer.center else _fill(e, "beta", size, 0.0, x)
    y = e.emit(
        "BatchNormalization",
        x,
        gamma,
        beta,
        e.weight_of(layer, "moving_mean"),
        e.weight_of(layer, "moving_variance"),
        epsilon=float(layer.epsilon),
        exact={"epsilon": layer.epsilon},
    )
    return e.transpose(y, layout.inverse(order))


@keras_layer("LayerNormalization")
def LayerNormalization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    if getattr(layer, "rms_scaling", False):
        e.refuse("rms_scaling=True is deprecated in Keras; use RMSNormalization")
    rank = e.rank(x)
    axes = sorted(int(axis) % rank for axis in layer.axis)
    order = (*(k for k in range(rank) if k not in axes), *axes)
    x = e.transpose(x, order)
    size = e.shape(x)[rank - len(axes) :]
    is_double = x.dtype == e.dtype_of("float64")
    y = e.emit(
        "LayerNormalization",
        x,
        e.weight_of(layer, "gamma") if layer.scale else _fill(e, "gamma", size, 1.0, x),
        *([e.weight_of(layer, "beta")] if layer.center else []),
        axis=-len(axes),
        epsilon=float(layer.epsilon),
        stash_type=11 if is_double else None,  # mean and variance in single precision otherwise
        exact={"epsilon": layer.epsilon},
    )
    return e.transpose(y, layout.inverse(order))


@keras_layer("GroupNormalization")
def GroupNormalization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    rank = e.rank(x)
    axis = int(layer.axis) % rank
    order = (0, axis, *(k for k in range(1, rank) if k != axis))
    x = e.transpose(x, order)
    size = (int(e.shape(x)[1] or 0),)
    is_double = x.dtype == e.dtype_of("float64")
    y = e.emit(
        "GroupNormalization",
        x,
        e.weight_of(layer, "gamma") if layer.scale else _fill(e, "gamma", size, 1.0, x),
        e.weight_of(layer, "beta") if layer.center else _fill(e, "beta", size, 0.0, x),
        num_groups=int(layer.groups),
        epsilon=float(layer.epsilon),
        stash_type=11 if is_double else None,
        exact={"epsilon": layer.epsilon},
    )
    return e.transpose(y, layout.inverse(order))


def _rms(e: KerasEmitter, x: ir.Value, scale: ir.Value | None, axes: list[int], epsilon: float) -> ir.Value:
    shape = e.shape(x)
    mean = e.reduce("ReduceMean", e.emit("Mul", x, x, shape=shape), axes, keepdims=True)
    root = e.emit("Sqrt", e.emit("Add", mean, e.scalar(epsilon, x), shape=e.shape(mean)))
    y = e.emit("Mul", x, e.emit("Reciprocal", root), shape=shape)
    return y if scale is None else e.emit("Mul", y, scale, shape=shape)


@keras_layer("RMSNormalization")
def RMSNormalization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    return _rms(e, x, e.weight_of(layer, "scale"), axes, float(layer.epsilon))


@keras_layer("UnitNormalization")
def UnitNormalization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    return unit(e, x, axes, 1e-12)


def unit(e: KerasEmitter, x: ir.Value, axes: list[int], epsilon: float) -> ir.Value:
    """``x · min(1 / |x|, 1 / epsilon)`` with the Euclidean norm over some axes, as ``keras.ops.normalize`` computes it."""
    shape = e.shape(x)
    total = e.reduce("ReduceSum", e.emit("Mul", x, x, shape=shape), axes, keepdims=True)
    sizes, most = e.shape(total), e.scalar(1.0 / epsilon, x)
    # of nothing but zeros: the derivative of the root is infinite there, and counts for nothing in TensorFlow
    none = e.emit("Equal", total, e.scalar(0.0, x), shape=sizes)
    safe = e.emit("Where", none, e.scalar(1.0, x), total, shape=sizes, dtype=x.dtype)
    inverse = e.emit("Min", e.emit("Reciprocal", e.emit("Sqrt", safe)), most, shape=sizes)
    bounded = e.emit("Where", none, most, inverse, shape=sizes, dtype=x.dtype)
    return e.emit("Mul", x, bounded, shape=shape)


@keras_op("Normalize")
def Normalize(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.order != 2:
        e.refuse(f"a norm of order {op.order}")
    axes = [op.axis] if isinstance(op.axis, int) else list(op.axis)
    return unit(e, x, axes, _epsilon(op))


@keras_op("RMSNorm")
def RMSNorm(e: KerasEmitter, op: Any, x: ir.Value, scale: Any = None) -> ir.Value:
    axes = [op.axis] if isinstance(op.axis, int) else list(op.axis)
    return _rms(e, x, None if scale is None else e.tensor(scale), axes, _epsilon(op))


def _epsilon(op: Any) -> float:
    import keras

    return float(keras.config.epsilon() if op.epsilon is None else op.epsilon)
