"""Products of integers. They are summed in double precision, which is exact far beyond what 32 bits hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.operators.conv import convolution
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


def centered(ctx: KerasImporter, x: LaidOut, zero_point: Value | None, along: int | None) -> Any:
    """A tensor less its zero point, in double precision; a vector of zero points runs along the logical axis ``along``."""
    tensor = ops.cast(x.tensor, "float64")
    if zero_point is None:
        return tensor
    point = ops.cast(ctx.plain(zero_point).tensor, "float64")
    if zero_point.rank == 1 and along is not None:
        shape = [1] * x.rank
        shape[x.axis(along)] = -1
        point = ops.reshape(point, shape)
    return ops.subtract(tensor, point)


def quantized(ctx: KerasImporter, sums: Any, scales: Sequence[Any], zero_point: Value | None, dtype: str) -> Any:
    """Sums times the product of the first scales over the last, rounded to even, about the zero point."""
    *factors, last = scales
    factor = factors[0]
    for other in factors[1:]:
        factor = ops.multiply(factor, other)
    result = ops.multiply(sums, ops.cast(ops.divide(factor, last), "float64"))
    if zero_point is not None:
        result = add(result, ops.cast(ctx.plain(zero_point).tensor, "float64"))
    limits = np.iinfo(dtype)
    return ops.cast(ops.clip(ops.round(result), float(limits.min), float(limits.max)), dtype)


@converter("MatMulInteger", since=10)
def MatMulInteger(
    ctx: KerasImporter, A: Value, B: Value, a_zero_point: Value | None = None, b_zero_point: Value | None = None
) -> LaidOut:
    a, b = centered(ctx, ctx.plain(A), a_zero_point, -2), centered(ctx, ctx.plain(B), b_zero_point, -1)
    product = ops.cast(ops.matmul(a, b), "int32")
    return LaidOut(product, layout.identity(len(product.shape)))


@converter("QLinearMatMul", since=10)
def QLinearMatMul(
    ctx: KerasImporter,
    a: Value,
    a_scale: Value,
    a_zero_point: Value,
    b: Value,
    b_scale: Value,
    b_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
) -> LaidOut:
    if any(value.rank and ctx.plain(value).tensor.shape != (1,) for value in (a_scale, b_scale, y_scale)):
        ctx.refuse("a scale a row or column is not supported")
    left, right = centered(ctx, ctx.plain(a), a_zero_point, None), centered(ctx, ctx.plain(b), b_zero_point, None)
    scales = [ctx.plain(value).tensor for value in (a_scale, b_scale, y_scale)]
    dtype = keras.backend.standardize_dtype(ctx.placed(y_zero_point).tensor.dtype)
    result = quantized(ctx, ops.matmul(left, right), scales, y_zero_point, dtype)
    return LaidOut(result, layout.identity(len(result.shape)))


def _convolved(
    ctx: KerasImporter, image: LaidOut, x_zero_point: Value | None, w: Value, w_zero_point: Value | None, **windows: Any
) -> Any:
    """Sums of a convolution of whole numbers about their zero points, channels last."""
    kernel = centered(ctx, ctx.plain(w), w_zero_point, 0)
    return convolution(ctx, centered(ctx, image, x_zero_point, None), kernel, **windows)


@converter("ConvInteger", since=10)
def ConvInteger(
    ctx: KerasImporter,
    x: Value,
    w: Value,
    x_zero_point: Value | None = None,
    w_zero_point: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    image = ctx.channels_last(x)
    windows = {"auto_pad": auto_pad, "dilations": dilations, "pads": pads, "strides": strides}
    sums = _convolved(ctx, image, x_zero_point, w, w_zero_point, **windows)
    return ctx.keep(image, ops.cast(sums, "int32"))


@converter("QLinearConv", since=10)
def QLinearConv(
    ctx: KerasImporter,
    x: Value,
    x_scale: Value,
    x_zero_point: Value,
    w: Value,
    w_scale: Value,
    w_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
    B: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    image = ctx.channels_last(x)
    windows = {"auto_pad": auto_pad, "dilations": dilations, "pads": pads, "strides": strides}
    sums = _convolved(ctx, image, x_zero_point, w, w_zero_point, **windows)
    if B is not None:
        sums = add(sums, ops.cast(ctx.plain(B).tensor, "float64"))
    scales = [ctx.plain(value).tensor for value in (x_scale, w_scale, y_scale)]  # a scale a channel: they lie last
    dtype = keras.backend.standardize_dtype(ctx.placed(y_zero_point).tensor.dtype)
    return ctx.keep(image, quantized(ctx, sums, scales, y_zero_point, dtype))
