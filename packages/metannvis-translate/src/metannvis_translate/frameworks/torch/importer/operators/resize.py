"""Image resizing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from metannvis_translate.frameworks.torch.importer.modules import Resample, Take
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import CORNERS, SINGLE
from metannvis_translate.importing.resampling import (
    Interpolation,
    Line,
    Region,
    factors,
    for_all_axes,
    line_of,
    proportional,
    regions_of,
    resized_axes,
    upsample,
)
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@converter("Upsample", since=7)
def Upsample_7(ctx: TorchImporter, X: Value, *, mode: str = "nearest", scales: Sequence[float]) -> LaidOut:
    """``nn.Upsample``."""
    return resize(ctx, X, list(scales), None, upsample(mode))


@converter("Upsample", since=9)
def Upsample(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> LaidOut:
    """``nn.Upsample``."""
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=10)
def Resize_10(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> LaidOut:
    """``nn.Upsample``."""
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=11)
def Resize(
    ctx: TorchImporter,
    X: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> LaidOut:
    """``nn.Upsample`` where it does the same, else a matrix (or, for the nearest, indices) an axis."""
    along = [axis % X.rank for axis in (range(X.rank) if axes is None else axes)]

    def full(value: Value | None, what: str) -> list[Any] | None:
        if value is None or (isinstance(value, ConstantValue) and value.array.size == 0):
            return None
        # a size that is known only when the model runs is the batch's, which stays
        elements = [None if isinstance(e, fx.Node) else e for e in ctx.sizes(value, what)]
        return for_all_axes(elements, along, X.rank)

    how = Interpolation(
        mode, coordinate_transformation_mode, nearest_mode, bool(antialias), cubic_coeff_a, bool(exclude_outside),
        extrapolation_value,
    )  # fmt: skip
    crops = how.coordinates == "tf_crop_and_resize"
    regions = regions_of(ctx.known(roi, "region").tolist(), along) if crops else {}
    scale, size = full(scales, "scales"), full(sizes, "sizes")
    return resize(ctx, X, scale, size, how, policy=keep_aspect_ratio_policy, regions=regions)


def resize(
    ctx: TorchImporter,
    X: Value,
    scales: list[Any] | None,
    sizes: list[Any] | None,
    how: Interpolation,
    *,
    policy: str = "stretch",
    regions: Mapping[int, Region] | None = None,
) -> LaidOut:
    """Resize by ``scales`` or to ``sizes`` (logical axes, ``None`` for one that stays)."""
    shape = ctx.shape(0) or (None,) * X.rank
    mode, coordinates = how.mode, how.coordinates
    if sizes is not None and policy != "stretch":
        scaled = proportional(shape, sizes, policy)
        if scaled is None:
            ctx.refuse("an axis of free size is resized in proportion")
        scales, sizes = scaled
        found: list[float] | None = scales
    else:
        found = factors(shape, scales, sizes)
    if found is None:
        ctx.refuse("an axis of free size is resized to a fixed one")
    scales = found or []
    if ctx.stated(CORNERS) != "rounded" and coordinates == "align_corners" and sizes is None:
        whole = [n is None or s == 1 or float(n * s).is_integer() for n, s in zip(shape, scales, strict=True)]
        if not all(whole):
            ctx.refuse("with aligned corners and a size that is rounded, ONNX and its runtimes disagree on the places")
    regions = regions or {}
    steps = resized_axes(scales, regions)
    x = ctx.placed(X)
    if not steps:
        return x
    # TensorFlow's weights, whose exporter says so, are those of places in single precision, in double precision too
    # (places between elements that are a power of two as dense are the same in both)
    halves = how.half_pixel and all(math.frexp(scales[axis])[0] == 0.5 for axis in steps)
    single = ctx.stated(SINGLE) is not None and ctx.dtype == "float64" and mode != "nearest" and not halves
    if not how.antialias and steps[0] >= 2 and x.rank in LINEAR and not single:
        image = ctx.plain(x)
        space = tuple(scales[2:])
        if all(scale >= 1 for scale in space):
            module = _upsample(image.rank, space, how)
            if module is not None:
                return LaidOut(ctx.module(module, image.tensor), image.order)
    if any(shape[axis] is None for axis in steps):
        ctx.refuse(f"PyTorch has no {mode} resizing with {coordinates!r} coordinates for images of free size")
    axes = sorted(steps, key=x.axis)
    dims = [x.axis(axis) for axis in axes]
    lines = [
        line_of(axis, int(shape[axis] or 0), scales[axis], sizes, coordinates, regions, single=single) for axis in axes
    ]
    if mode == "nearest":
        taken = ctx.module(Take(dims, [ctx.buffer(line.nearest(how.nearest)) for line in lines]), x.tensor)
        return LaidOut(_beyond(ctx, taken, dims, lines, how.fill), x.order)
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or np.dtype("float32")
    module = Resample(dims, [ctx.buffer(how.matrix(line).astype(dtype)) for line in lines])
    return LaidOut(_beyond(ctx, ctx.module(module, x.tensor), dims, lines, how.fill), x.order)


def _beyond(ctx: TorchImporter, tensor: fx.Node, dims: list[int], lines: list[Line], value: float) -> fx.Node:
    """A region that reaches beyond the image has a number of its own there."""
    for dim, line in zip(dims, lines, strict=True):
        if line.coordinates == "tf_crop_and_resize" and line.outside().any():
            where = tuple(np.flatnonzero(line.outside()).tolist())
            tensor = ctx.function(fill, tensor, dim, where, value)
    return tensor


def fill(x: torch.Tensor, dim: int, where: Sequence[int], value: float) -> torch.Tensor:
    """A number at some places of an axis."""
    return x.index_fill(dim, torch.tensor(where, device=x.device), value)


def _upsample(rank: int, factors: tuple[float, ...], how: Interpolation) -> nn.Upsample | None:
    """``nn.Upsample`` if it has what is asked for."""
    whole = all(float(factor).is_integer() for factor in factors)
    if whole and how.repeats:
        return nn.Upsample(scale_factor=factors, mode="nearest")
    if how.mode == "linear" or (how.mode == "cubic" and rank == 4):
        name = LINEAR[rank] if how.mode == "linear" else "bicubic"
        if how.mode == "cubic" and (how.a != -0.75 or how.exclude_outside):
            return None
        if how.coordinates == "align_corners":
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=True) if whole else None
        if how.half_pixel:
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=False)
    return None
