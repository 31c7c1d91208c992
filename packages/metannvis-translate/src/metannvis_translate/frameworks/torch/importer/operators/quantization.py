"""Quantisation: rounding to small integers and eight-bit floats, and back, as the standard has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, calls, torch_dtype
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32)
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)


def to_float8(x: Tensor, dtype: torch.dtype, *, saturate: bool) -> Tensor:
    """To an eight-bit float; with ``saturate`` what is beyond the largest becomes the largest, infinities too."""
    if saturate:
        largest = torch.finfo(dtype).max
        x = torch.clamp(x, -largest, largest)
    elif dtype == torch.float8_e4m3fn:
        # it has no infinity; what would round beyond the largest is no number, where PyTorch takes the largest
        x = torch.where(x.abs() > 464, torch.nan, x)
    return x.to(torch.float32).to(dtype)


def spread(scale: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """A scale or zero point for each element of ``x``: one for all, for each along an axis, or for each block of them."""
    if block:
        return scale.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    if scale.numel() == 1:
        return scale.reshape(())
    shape = [1] * x.ndim
    shape[axis] = -1
    return scale.reshape(shape)


def quantize(
    x: Tensor,
    scale: Tensor,
    zero: Tensor | None,
    *,
    axis: int,
    block: int,
    dtype: torch.dtype | None,
    saturate: bool,
    precision: torch.dtype | None,
) -> Tensor:
    """``round(x / scale) + zero``, halves to the even number, cut off at the ends of the type."""
    dtype = zero.dtype if zero is not None else dtype or torch.uint8
    scale = spread(scale, x, axis, block)
    divided = x / scale if precision is None else x.to(precision) / scale.to(precision)
    if dtype in FLOAT8:
        return to_float8(divided, dtype, saturate=saturate)
    whole = torch.round(divided).double()
    if zero is not None:
        whole = whole + spread(zero.double(), x, axis, block)
    info = torch.iinfo(dtype)
    return whole.clamp(info.min, info.max).to(torch.int32).to(dtype)


def dequantize(
    x: Tensor, scale: Tensor, zero: Tensor | None, *, axis: int, block: int, dtype: torch.dtype | None
) -> Tensor:
    """``(x − zero) · scale``, in single precision at least."""
    wide = torch.promote_types(scale.dtype, torch.float32)
    if x.dtype in INTEGERS and zero is not None:
        x = x.to(torch.int64) - spread(zero.to(torch.int64), x, axis, block)
    return (x.to(wide) * spread(scale.to(wide), x, axis, block)).to(dtype or scale.dtype)


def _is_integer(ctx: TorchImporter, dtype: torch.dtype | None) -> None:
    if dtype is not None and dtype not in (*INTEGERS, *FLOAT8):
        ctx.refuse(f"PyTorch cannot compute with {dtype}")


@converter("QuantizeLinear", since=10)
def QuantizeLinear(
    ctx: TorchImporter,
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
    """In whole numbers, as a function."""
    dtype = torch_dtype(ctx, output_dtype)
    _is_integer(ctx, dtype)
    options: dict[str, Any] = {"axis": axis, "block": block_size, "dtype": dtype, "saturate": bool(saturate)}
    return call(ctx, quantize, x, y_scale, y_zero_point, rank=x.rank, precision=torch_dtype(ctx, precision), **options)


@converter("DequantizeLinear", since=10)
def DequantizeLinear(
    ctx: TorchImporter,
    x: Value,
    x_scale: Value,
    x_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> LaidOut:
    """In whole numbers, as a function."""
    dtype = torch_dtype(ctx, output_dtype)
    return call(ctx, dequantize, x, x_scale, x_zero_point, rank=x.rank, axis=axis, block=block_size, dtype=dtype)


def dynamic_quantize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """To ``uint8``, the scale and zero point such that the smallest and the largest element, and 0, just fit."""
    largest, smallest = x.max().clamp(min=0), x.min().clamp(max=0)
    scale = (largest - smallest) / 255
    zero = torch.round((0 - smallest / scale).clamp(0, 255))
    whole = (torch.round(x / scale) + zero).clamp(0, 255)
    return whole.to(torch.uint8), scale, zero.to(torch.uint8)


@converter("DynamicQuantizeLinear", since=11)
def DynamicQuantizeLinear(ctx: TorchImporter, x: Value) -> tuple[LaidOut, ...]:
    """In whole numbers, as a function."""
    return calls(ctx, dynamic_quantize, x, ranks=(x.rank, 0, 0))
