"""Image sampling: grids of places, regions, kernels with offsets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import steps

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def affine_grid(theta: Tensor, *, size: Sequence[int], align_corners: bool) -> Tensor:
    """``F.affine_grid``, which takes space of two and three axes."""
    return F.affine_grid(theta, list(size), align_corners=align_corners)


@converter("AffineGrid", since=20)
def AffineGrid(ctx: TorchImporter, theta: Value, size: Value, *, align_corners: int = 0) -> LaidOut:
    """``F.affine_grid``."""
    sizes = tuple(int(n) for n in ctx.known(size, "size"))
    return call(ctx, affine_grid, theta, rank=len(sizes), size=sizes, align_corners=bool(align_corners))


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
) -> LaidOut:
    """Its arithmetic, as a function."""
    rank = X.rank - 2
    stride, dilation = steps(strides, dilations, rank)
    options: dict[str, Any] = {"groups": group, "offset_groups": offset_group, "pads": tuple(pads or (0,) * rank)}
    options |= {"stride": stride, "dilation": dilation}
    return call(ctx, deform_conv, X, W, offset, B, mask, rank=X.rank, **options)


@converter("GridSample", since=16)
def GridSample(
    ctx: TorchImporter,
    X: Value,
    grid: Value,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> LaidOut:
    """``F.grid_sample``."""
    x, points = ctx.plain(X), ctx.plain(grid)
    modes = {"linear": "bilinear", "cubic": "bicubic"}
    tensor = ctx.function(
        F.grid_sample, x.tensor, points.tensor, modes.get(mode, mode), padding_mode, bool(align_corners)
    )
    return LaidOut(tensor, x.order)


def _points(first: Tensor, length: Tensor, cells: int, ratio: int, size: int) -> tuple[Tensor, ...]:
    """The points ``(regions, cells, points)`` that are read along an axis: two pixels, their weights, which points there are.

    Cells of regions of different sizes have different numbers of points, of which the largest is taken.
    """
    number = torch.full_like(length, ratio) if ratio else torch.ceil(length / cells).clamp(min=0)
    most = ratio or int(number.max().clamp(min=1)) if number.numel() else max(ratio, 1)
    point = torch.arange(most, device=first.device, dtype=first.dtype)
    cell = torch.arange(cells, device=first.device, dtype=first.dtype)[:, None]
    share = (point + 0.5) / number.clamp(min=1)[:, None, None]
    at = first[:, None, None] + (cell + share) * (length / cells)[:, None, None]
    within = (at >= -1) & (at <= size)
    at = at.clamp(0, size - 1)
    low = at.floor()
    part = at - low
    there = (point < number[:, None, None]).expand_as(at)
    return low.long(), (low + 1).clamp(max=size - 1).long(), (1 - part) * within, part * within, there


def roi_align(
    x: Tensor,
    rois: Tensor,
    batch: Tensor,
    *,
    cells: tuple[int, int],
    ratio: int,
    scale: float,
    half: bool,
    largest: bool,
) -> Tensor:
    """Regions ``(regions, 4)`` of images, each in cells of which some points are read and averaged (or the largest taken).

    Without a ratio a cell has a point a pixel, so that how many are read depends on the regions.
    """
    axes = []
    for axis, (count, size) in enumerate(zip(cells, x.shape[2:], strict=True)):
        first, last = (rois[:, k] * scale - (0.5 if half else 0.0) for k in (1 - axis, 3 - axis))
        length = last - first if half else (last - first).clamp(min=1)
        axes.append(_points(first, length, count, ratio, size))
    (top, bottom, *rows, below), (left, right, *columns, beside) = axes
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    start = (batch.long() * x.shape[2])[:, None, None]
    there = (below[:, :, :, None, None] & beside[:, None, None])[
        ..., None
    ]  # (regions, rows, points, columns, points, 1)
    parts = []
    for row, down in zip((top, bottom), rows, strict=True):
        for column, along in zip((left, right), columns, strict=True):
            index = (start + row)[:, :, :, None, None] * x.shape[3] + column[:, None, None]
            weight = down[:, :, :, None, None] * along[:, None, None]
            parts.append(pixels[index] * weight[..., None])
    if largest:  # of the four weighted corners, as the standard's evaluators do
        highest = torch.where(there, torch.stack(parts).amax(0), -torch.inf).amax((2, 4))
        result = torch.where(there.any(4).any(2), highest, 0.0)
    else:
        total = torch.where(there, parts[0] + parts[1] + parts[2] + parts[3], 0.0).sum((2, 4))
        result = total / there.sum((2, 4)).clamp(min=1)
    return result.permute(0, 3, 1, 2)


def _aligned(
    ctx: TorchImporter, X: Value, rois: Value, batch_indices: Value, *, half: bool, mode: str, **options: Any
) -> LaidOut:
    return call(ctx, roi_align, X, rois, batch_indices, rank=4, half=half, largest=mode == "max", **options)


@converter("RoiAlign", since=10)
def RoiAlign_10(
    ctx: TorchImporter,
    X: Value,
    rois: Value,
    batch_indices: Value,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> LaidOut:
    """Before opset 16: corners of a region are pixels."""
    return _aligned(
        ctx, X, rois, batch_indices, half=False, mode=mode, cells=(output_height, output_width),
        ratio=sampling_ratio, scale=spatial_scale,
    )  # fmt: skip


@converter("RoiAlign", since=16)
def RoiAlign(
    ctx: TorchImporter,
    X: Value,
    rois: Value,
    batch_indices: Value,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> LaidOut:
    """Its arithmetic, as a function.

    References
    ----------
    K. He et al., "Mask R-CNN", 2017, section 3.
    """
    return _aligned(
        ctx, X, rois, batch_indices, half=coordinate_transformation_mode == "half_pixel", mode=mode,
        cells=(output_height, output_width), ratio=sampling_ratio, scale=spatial_scale,
    )  # fmt: skip
