"""Quantised arithmetic, in whole numbers as the standard has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_torch.calls import call, calls, torch_dtype
from metannvis_translate.onnx_to_torch.pad import pad_pairs
from metannvis_translate.onnx_to_torch.registry import converter
from metannvis_translate.values import Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_torch.importer import TorchImporter

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
) -> Placed:
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
) -> Placed:
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
def DynamicQuantizeLinear(ctx: TorchImporter, x: Value) -> tuple[Placed, ...]:
    """In whole numbers, as a function."""
    return calls(ctx, dynamic_quantize, x, ranks=(x.rank, 0, 0))


def centred(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    """``x − zero`` as 64-bit integers; a zero point that is a vector runs along ``axis``."""
    x = x.to(torch.int64)
    if zero is None:
        return x
    zero = zero.to(torch.int64)
    if zero.ndim == 1 and zero.numel() > 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        zero = zero.reshape(shape)
    return x - (zero.reshape(()) if zero.numel() == 1 else zero)


def matmul_integer(a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    """A product in whole numbers."""
    return (centred(a, a_zero, -2) @ centred(b, b_zero, -1)).to(torch.int32)


@converter("MatMulInteger", since=10)
def MatMulInteger(
    ctx: TorchImporter, A: Value, B: Value, a_zero_point: Value | None = None, b_zero_point: Value | None = None
) -> Placed:
    """In whole numbers, as a function."""
    if min(A.rank, B.rank) < 2:
        ctx.refuse("an operand is a vector")
    return call(ctx, matmul_integer, A, B, a_zero_point, b_zero_point, rank=max(A.rank, B.rank))


def _requantize(whole: Tensor, factor: Tensor, zero: Tensor) -> Tensor:
    """Integers times a factor as integers of ``zero``'s type."""
    info = torch.iinfo(zero.dtype)
    scaled = torch.round(whole.to(torch.promote_types(factor.dtype, torch.float32)) * factor).double()
    return (scaled + zero.double()).clamp(info.min, info.max).to(zero.dtype)


def qlinear_matmul(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:
    """A product of quantised matrices, quantised."""
    whole = centred(a, a_zero, -2) @ centred(b, b_zero, -1)
    rows = a_scale.unsqueeze(-1) if a_scale.ndim and a_scale.numel() > 1 else a_scale
    return _requantize(whole, rows * b_scale / y_scale, y_zero)


@converter("QLinearMatMul", since=10)
def QLinearMatMul(
    ctx: TorchImporter,
    a: Value,
    a_scale: Value,
    a_zero_point: Value,
    b: Value,
    b_scale: Value,
    b_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
) -> Placed:
    """In whole numbers, as a function."""
    if min(a.rank, b.rank) < 2:
        ctx.refuse("an operand is a vector")
    inputs = (a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point)
    return call(ctx, qlinear_matmul, *inputs, rank=max(a.rank, b.rank))


def conv_integer(
    x: Tensor,
    w: Tensor,
    x_zero: Tensor | None,
    w_zero: Tensor | None,
    bias: Tensor | None = None,
    *,
    pads: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution in whole numbers, computed in doubles, which hold all of them."""
    convolve = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    padded = F.pad(centred(x, x_zero, 1).double(), pad_pairs(pads))
    weight = centred(w, w_zero, 0).double()
    offset = None if bias is None else bias.double()
    return torch.round(convolve(padded, weight, offset, stride, 0, dilation, groups)).to(torch.int32)


def _windows(
    ctx: TorchImporter,
    position: int,
    rank: int,
    auto_pad: str,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> dict[str, Any]:
    if auto_pad not in ("NOTSET", "VALID"):
        ctx.refuse(f"its auto_pad is {auto_pad!r}")
    if not 1 <= rank <= 3:
        ctx.refuse(f"PyTorch has no convolution over {rank} spatial axes")
    ones = (1,) * rank
    given = tuple(pads or (0,) * (2 * rank)) if auto_pad == "NOTSET" else (0,) * (2 * rank)
    return {"pads": given, "stride": tuple(strides or ones), "dilation": tuple(dilations or ones), "groups": group}


@converter("ConvInteger", since=10)
def ConvInteger(
    ctx: TorchImporter,
    x: Value,
    w: Value,
    x_zero_point: Value | None = None,
    w_zero_point: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Placed:
    """In whole numbers, as a function."""
    options = _windows(ctx, 1, x.rank - 2, auto_pad, pads, strides, dilations, group)
    return call(ctx, conv_integer, x, w, x_zero_point, w_zero_point, rank=x.rank, **options)


def qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
    bias: Tensor | None,
    **windows: Any,
) -> Tensor:
    """A convolution of quantised images, quantised."""
    whole = conv_integer(x, w, x_zero, w_zero, bias, **windows)
    factor = x_scale.reshape(()) * w_scale / y_scale.reshape(())
    return _requantize(whole, factor.reshape(-1, *[1] * (x.ndim - 2)), y_zero.reshape(()))


@converter("QLinearConv", since=10)
def QLinearConv(
    ctx: TorchImporter,
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
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Placed:
    """In whole numbers, as a function."""
    options = _windows(ctx, 3, x.rank - 2, auto_pad, pads, strides, dilations, group)
    inputs = (x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B)
    return call(ctx, qlinear_conv, *inputs, rank=x.rank, **options)
