"""Products of integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.operators.pad import pad_pairs
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import steps

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


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
) -> LaidOut:
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
) -> LaidOut:
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
    stride, dilation = steps(strides, dilations, rank)
    given = tuple(pads or (0,) * (2 * rank)) if auto_pad == "NOTSET" else (0,) * (2 * rank)
    return {"pads": given, "stride": stride, "dilation": dilation, "groups": group}


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
) -> LaidOut:
    """In whole numbers, as a function."""
    options = _windows(ctx, x.rank - 2, auto_pad, pads, strides, dilations, group)
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
) -> LaidOut:
    """In whole numbers, as a function."""
    options = _windows(ctx, x.rank - 2, auto_pad, pads, strides, dilations, group)
    inputs = (x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B)
    return call(ctx, qlinear_conv, *inputs, rank=x.rank, **options)
