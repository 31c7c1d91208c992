"""Quantisation: rounding to small integers and back, in the float type of the scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops

#: Integer types that Keras has.
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")


def spread(ctx: KerasImporter, value: Value, x: LaidOut, axis: int, block: int) -> Any:
    """A scale or zero point (one, one an entry along an axis, or one a block) such that it broadcasts against ``x``."""
    v = ctx.plain(value)
    if v.rank == 0 or (v.rank == 1 and v.tensor.shape[0] == 1 and not block):
        return ops.reshape(v.tensor, ())
    if block:
        where = axis % x.rank
        repeated = ops.repeat(v.tensor, block, axis=where)
        return repeated[(slice(None),) * where + (slice(0, x.tensor.shape[where]),)]
    return ops.reshape(v.tensor, [-1 if k == axis % x.rank else 1 for k in range(x.rank)])


def result_type(ctx: KerasImporter) -> str:
    dtype = ctx.node.outputs[0].dtype
    name = ctx.float_dtype(dtype.name) if dtype is not None else "uint8"
    if name not in INTEGERS:
        ctx.refuse(f"Keras has no {name} to quantise to")
    return name


def rounded(x: Any, scale: Any, zero: Any, to: str) -> Any:
    """``x / scale`` rounded, half to even, shifted and cut to what the type holds."""
    limits = np.iinfo(to)
    shifted = ops.round(ops.divide(x, scale))
    if zero is not None:
        shifted = ops.add(shifted, ops.cast(zero, shifted.dtype))
    return ops.cast(ops.clip(shifted, float(limits.min), float(limits.max)), to)


@converter("QuantizeLinear", since=10)
def QuantizeLinear(
    ctx: KerasImporter,
    x: Value,
    y_scale: Value,
    y_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> LaidOut:
    to = result_type(ctx)
    if precision:
        ctx.refuse("a precision of its own is not supported")
    data = ctx.plain(x)
    scale = spread(ctx, y_scale, data, axis, block_size)
    zero = None if y_zero_point is None else spread(ctx, y_zero_point, data, axis, block_size)
    tensor = ops.cast(data.tensor, scale.dtype)
    return ctx.keep(data, rounded(tensor, scale, zero, to))


@converter("DequantizeLinear", since=10)
def DequantizeLinear(
    ctx: KerasImporter,
    x: Value,
    x_scale: Value,
    x_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> LaidOut:
    data = ctx.plain(x)
    if data.tensor.dtype not in INTEGERS:
        ctx.refuse(f"Keras does not compute with {data.tensor.dtype}")
    scale = spread(ctx, x_scale, data, axis, block_size)
    tensor = ops.cast(data.tensor, "int32")
    if x_zero_point is not None:
        tensor = ops.subtract(tensor, ops.cast(spread(ctx, x_zero_point, data, axis, block_size), "int32"))
    result = ops.multiply(ops.cast(tensor, scale.dtype), scale)
    return ctx.keep(data, ops.cast(result, ctx.dtype_named(output_dtype)) if output_dtype else result)


@converter("DynamicQuantizeLinear", since=11)
def DynamicQuantizeLinear(ctx: KerasImporter, x: Value) -> tuple[LaidOut, LaidOut, LaidOut]:
    """Scale and zero point come from the range of the data, which always includes 0."""
    data = ctx.plain(x)
    low, high = ops.minimum(ops.min(data.tensor), 0.0), ops.maximum(ops.max(data.tensor), 0.0)
    scale = ops.divide(ops.subtract(high, low), 255.0)
    zero = ops.cast(ops.clip(ops.round(ops.divide(ops.negative(low), scale)), 0.0, 255.0), "uint8")
    return ctx.keep(data, rounded(data.tensor, scale, zero, "uint8")), LaidOut(scale, ()), LaidOut(zero, ())
