"""Windows over images that are put back, grids to sample at, kernels with offsets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_torch.calls import call
from metannvis_translate.onnx_to_torch.pad import pad_pairs
from metannvis_translate.onnx_to_torch.registry import converter
from metannvis_translate.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_torch.importer import TorchImporter


def affine_grid(theta: Tensor, *, size: Sequence[int], align_corners: bool) -> Tensor:
    """``F.affine_grid``, which takes space of two and three axes."""
    return F.affine_grid(theta, list(size), align_corners=align_corners)


@converter("AffineGrid", since=20)
def AffineGrid(ctx: TorchImporter, theta: Value, size: Value, *, align_corners: int = 0) -> Placed:
    """``F.affine_grid``."""
    sizes = tuple(int(n) for n in ctx.known(size, "size"))
    return call(ctx, affine_grid, theta, rank=len(sizes), size=sizes, align_corners=bool(align_corners))


def put_back(
    x: Tensor,
    *,
    image: Sequence[int],
    block: Sequence[int],
    pads: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Columns added up where they were cut from: ``(N, C · block, windows)`` to ``(N, C, *image)``."""
    rank = len(image)
    padded = [n + pads[k] + pads[k + rank] for k, n in enumerate(image)]
    counts = [(n - d * (b - 1) - 1) // s + 1 for n, b, s, d in zip(padded, block, stride, dilation, strict=True)]
    index = torch.zeros(1, 1, dtype=torch.int64, device=x.device)
    for size, b, s, d, count in zip(padded, block, stride, dilation, counts, strict=True):
        at = torch.arange(b, device=x.device)[:, None] * d + torch.arange(count, device=x.device) * s
        # (blocks, windows) of the axes so far, each with those of this one
        index = (index[:, None, :, None] * size + at[None, :, None, :]).flatten(2).flatten(0, 1)
    channels = x.shape[1] // math.prod(block)
    flat = x.reshape(x.shape[0], channels, -1)
    result = x.new_zeros(x.shape[0], channels, math.prod(padded))
    result = result.scatter_add(2, index.reshape(1, 1, -1).expand_as(flat), flat).unflatten(2, padded)
    return F.pad(result, [-amount for amount in pad_pairs(pads)])


@converter("Col2Im", since=18)
def Col2Im(
    ctx: TorchImporter,
    input: Value,
    image_shape: Value,
    block_shape: Value,
    *,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Placed:
    """Sums where windows overlap; ``F.fold`` is the same for two axes."""
    image = tuple(int(n) for n in ctx.known(image_shape, "image_shape"))
    block = tuple(int(n) for n in ctx.known(block_shape, "block_shape"))
    ones = (1,) * len(image)
    options: dict[str, Any] = {"stride": tuple(strides or ones), "dilation": tuple(dilations or ones)}
    padding = tuple(pads or (0,) * (2 * len(image)))
    return call(ctx, put_back, input, rank=len(image) + 2, image=image, block=block, pads=padding, **options)


@converter("CenterCropPad", since=18)
def CenterCropPad(ctx: TorchImporter, input_data: Value, shape: Value, *, axes: Sequence[int] | None = None) -> Placed:
    """``F.pad``; the middle of each axis, or zeros around it; what is odd is cut, or added, at the end."""
    x = ctx.placed(input_data)
    have = ctx.shape(0) or (None,) * x.rank
    pads = [0] * (2 * x.rank)
    wanted = ctx.known(shape, "shape").tolist()
    for axis, size in zip(range(x.rank) if axes is None else axes, wanted, strict=True):
        old, where = have[axis], x.axis(axis)
        if old is None:
            ctx.refuse("an axis of free size is cut or padded")
            raise AssertionError
        more = size - old
        begin = more // 2 if more > 0 else -(-more // 2)
        pads[where], pads[where + x.rank] = begin, more - begin
    return Placed(ctx.function(F.pad, x.tensor, pad_pairs(pads)), x.order)


def sample(x: Tensor, at: Sequence[Tensor]) -> Tensor:
    """Linear interpolation with zeros beyond: ``x`` is ``(M, C, *space)``, places are ``(M, P)``, the result ``(M, C, P)``."""
    sizes = x.shape[2:]
    flat = x.flatten(2)
    result = x.new_zeros(())
    for corner in itertools.product((0, 1), repeat=len(at)):
        weight: Any = 1.0
        index: Any = 0
        for place, c, size in zip(at, corner, sizes, strict=True):
            low = place.floor()
            pixel = low + c
            weight = weight * ((place - low) if c else (1 - (place - low))) * ((pixel >= 0) & (pixel <= size - 1))
            index = index * size + pixel.clamp(0, size - 1).long()
        result = result + flat.gather(2, index[:, None].expand(-1, x.shape[1], -1)) * weight[:, None]
    return result


def deform_conv(
    x: Tensor,
    w: Tensor,
    offset: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    *,
    pads: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    offset_groups: int,
) -> Tensor:
    """A convolution whose taps are moved by offsets, and weighed by a mask."""
    batch, space, kernel = x.shape[0], x.shape[2:], w.shape[2:]
    rank, taps = len(space), math.prod(kernel)
    out = offset.shape[2:]
    # (N · groups, taps, axes, places)
    moves = offset.reshape(batch * offset_groups, taps, rank, -1)
    places = []
    for k in range(rank):
        shape = [1] * rank
        shape[k] = -1
        tap = (torch.arange(kernel[k], device=x.device) * dilation[k]).reshape(shape).expand(kernel).reshape(-1, 1)
        start = (torch.arange(out[k], device=x.device) * stride[k] - pads[k]).reshape(shape).expand(out).reshape(1, -1)
        places.append((moves[:, :, k] + (tap + start).to(x.dtype)).flatten(1))
    images = x.reshape(batch * offset_groups, -1, *space)
    columns = sample(images, places).unflatten(2, (taps, -1))
    if mask is not None:
        columns = columns * mask.reshape(batch * offset_groups, 1, taps, -1)
    columns = columns.reshape(batch, groups, -1, columns.shape[-1])
    weights = w.reshape(groups, w.shape[0] // groups, -1)
    y = torch.einsum("goc,bgcp->bgop", weights, columns).reshape(batch, w.shape[0], *out)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


@converter("DeformConv", since=19)
def DeformConv(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    offset: Value,
    B: Value | None = None,
    mask: Value | None = None,
    *,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    offset_group: int = 1,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Placed:
    """Its arithmetic, as a function."""
    rank = X.rank - 2
    ones = (1,) * rank
    options: dict[str, Any] = {"groups": group, "offset_groups": offset_group, "pads": tuple(pads or (0,) * rank)}
    options |= {"stride": tuple(strides or ones), "dilation": tuple(dilations or ones)}
    return call(ctx, deform_conv, X, W, offset, B, mask, rank=X.rank, **options)


def unpool(
    x: Tensor,
    index: Tensor,
    *,
    kernel: Sequence[int],
    pads: Sequence[int],
    stride: Sequence[int],
    size: Sequence[int] | None,
) -> Tensor:
    """Each element where its index says, zero elsewhere; indices count in the image as large as without ``size``."""
    rank = len(kernel)
    rows = enumerate(zip(x.shape[2:], stride, kernel, strict=True))
    plain = [(n - 1) * s - pads[k] - pads[k + rank] + extent for k, (n, s, extent) in rows]
    result = x.new_zeros(x.shape[0] * x.shape[1] * math.prod(plain))
    result = result.scatter(0, index.reshape(-1), x.reshape(-1)).reshape(*x.shape[:2], *plain)
    if size is None:
        return result
    wanted = tuple(size)[-rank:]
    more = [n for have, new in zip(reversed(plain), reversed(wanted), strict=True) for n in (0, new - have)]
    return F.pad(result, more)


@converter("MaxUnpool", since=9)
def MaxUnpool(
    ctx: TorchImporter,
    X: Value,
    I: Value,  # noqa: E741  # ONNX's name
    output_shape: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Placed:
    """``torch.scatter``: ONNX counts in the whole tensor, ``nn.MaxUnpool2d`` in a channel."""
    rank = len(kernel_shape)
    size = None
    if output_shape is not None:
        if not isinstance(output_shape, Const):
            ctx.refuse("its output_shape is computed when the model runs, but has to be known beforehand")
        size = tuple(int(n) for n in ctx.known(output_shape, "output_shape"))
    options: dict[str, Any] = {"kernel": tuple(kernel_shape), "stride": tuple(strides or (1,) * rank), "size": size}
    return call(ctx, unpool, X, I, rank=X.rank, pads=tuple(pads or (0,) * (2 * rank)), **options)
