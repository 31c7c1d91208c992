"""Resizing images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from metannvis_translate.frameworks.torch.importer.modules import Resample, Take
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import Placed
from metannvis_translate.importing.resampling import Line, factors, proportional
from metannvis_translate.importing.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@converter("Upsample", since=7)
def Upsample_7(ctx: TorchImporter, X: Value, *, mode: str = "nearest", scales: Sequence[float]) -> Placed:
    """``nn.Upsample``."""
    return resize(ctx, X, list(scales), None, mode=mode, coordinates="asymmetric", nearest="floor")


@converter("Upsample", since=9)
def Upsample(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
    """``nn.Upsample``."""
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=10)
def Resize_10(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
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
) -> Placed:
    """``nn.Upsample`` where it does the same, else a matrix (or, for the nearest, indices) an axis."""
    along = [axis % X.rank for axis in (range(X.rank) if axes is None else axes)]

    def full(value: Value | None, what: str) -> list[Any] | None:
        if value is None or (isinstance(value, Const) and value.array.size == 0):
            return None
        # a size that is known only when the model runs is the batch's, which stays
        elements = [None if isinstance(e, fx.Node) else e for e in ctx.sizes(value, what)]
        given = dict(zip(along, elements, strict=True))
        return [given.get(axis) for axis in range(X.rank)]

    regions = {}
    if coordinate_transformation_mode == "tf_crop_and_resize":
        edges = ctx.known(roi, "region").tolist()
        regions = {axis: (edges[k], edges[k + len(along)]) for k, axis in enumerate(along)}
    return resize(
        ctx,
        X,
        full(scales, "scales"),
        full(sizes, "sizes"),
        policy=keep_aspect_ratio_policy,
        regions=regions,
        extrapolation_value=extrapolation_value,
        mode=mode,
        coordinates=coordinate_transformation_mode,
        nearest=nearest_mode,
        antialias=antialias,
        cubic_coeff_a=cubic_coeff_a,
        exclude_outside=exclude_outside,
    )


def resize(
    ctx: TorchImporter,
    X: Value,
    scales: list[Any] | None,
    sizes: list[Any] | None,
    *,
    mode: str,
    coordinates: str,
    nearest: str,
    policy: str = "stretch",
    regions: dict[int, tuple[float, float]] | None = None,
    **others: Any,
) -> Placed:
    """Resize by ``scales`` or to ``sizes`` (logical axes, ``None`` for one that stays)."""
    shape = ctx.shape(0) or (None,) * X.rank
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
    if ctx.hub.source == "onnx" and coordinates == "align_corners" and sizes is None:
        whole = [n is None or s == 1 or float(n * s).is_integer() for n, s in zip(shape, scales, strict=True)]
        if not all(whole):
            ctx.refuse("with aligned corners and a size that is rounded, ONNX and its runtimes disagree on the places")
    regions = regions or {}
    steps = [axis for axis, scale in enumerate(scales) if scale != 1 or regions.get(axis, (0.0, 1.0)) != (0.0, 1.0)]
    x = ctx.placed(X)
    if not steps:
        return x
    # TensorFlow's weights are those of places in single precision, in double precision too
    single = ctx.hub.source == "tensorflow" and ctx.dtype == "float64" and mode != "nearest"
    if not others.get("antialias") and steps[0] >= 2 and x.rank in LINEAR and not single:
        image = ctx.plain(x)
        space = tuple(scales[2:])
        if all(scale >= 1 for scale in space):
            module = _upsample(image.rank, space, mode, coordinates, nearest, others)
            if module is not None:
                return Placed(ctx.module(module, image.tensor), image.order)
    if any(shape[axis] is None for axis in steps):
        ctx.refuse(f"PyTorch has no {mode} resizing with {coordinates!r} coordinates for images of free size")
    axes = sorted(steps, key=x.axis)
    dims = [x.axis(axis) for axis in axes]
    lines = []
    for axis in axes:
        old = int(shape[axis] or 0)
        new = int(old * scales[axis]) if sizes is None else int(sizes[axis])
        lines.append(Line(old, new, scales[axis], coordinates, regions.get(axis, (0.0, 1.0)), single))
    if mode == "nearest":
        taken = ctx.module(Take(dims, [ctx.buffer(line.nearest(nearest)) for line in lines]), x.tensor)
        return Placed(_beyond(ctx, taken, dims, lines, others), x.order)
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or np.dtype("float32")
    matrices = [
        line.matrix(
            mode,
            antialias=bool(others.get("antialias")),
            a=others.get("cubic_coeff_a", -0.75),
            exclude_outside=bool(others.get("exclude_outside")),
        )
        for line in lines
    ]
    module = Resample(dims, [ctx.buffer(matrix.astype(dtype)) for matrix in matrices])
    return Placed(_beyond(ctx, ctx.module(module, x.tensor), dims, lines, others), x.order)


def _beyond(ctx: TorchImporter, tensor: fx.Node, dims: list[int], lines: list[Line], others: dict[str, Any]) -> fx.Node:
    """A region that reaches beyond the image has a number of its own there."""
    for dim, line in zip(dims, lines, strict=True):
        if line.coordinates == "tf_crop_and_resize" and line.outside().any():
            where = tuple(np.flatnonzero(line.outside()).tolist())
            tensor = ctx.function(fill, tensor, dim, where, others.get("extrapolation_value", 0.0))
    return tensor


def fill(x: torch.Tensor, dim: int, where: Sequence[int], value: float) -> torch.Tensor:
    """A number at some places of an axis."""
    return x.index_fill(dim, torch.tensor(where, device=x.device), value)


def _upsample(
    rank: int, factors: tuple[float, ...], mode: str, coordinates: str, nearest: str, others: dict[str, Any]
) -> nn.Upsample | None:
    """``nn.Upsample`` if it has what is asked for."""
    whole = all(float(factor).is_integer() for factor in factors)
    if mode == "nearest" and whole:
        if coordinates == "asymmetric" and nearest == "floor":
            return nn.Upsample(scale_factor=factors, mode="nearest")
        # half a pixel is a tie only if the factor is odd, and then it falls on the centre
        if coordinates in ("half_pixel", "pytorch_half_pixel") and nearest.startswith("round"):
            return nn.Upsample(scale_factor=factors, mode="nearest")
    if mode == "linear" or (mode == "cubic" and rank == 4):
        name = LINEAR[rank] if mode == "linear" else "bicubic"
        if mode == "cubic" and (others.get("cubic_coeff_a") != -0.75 or others.get("exclude_outside")):
            return None
        if coordinates == "align_corners":
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=True) if whole else None
        if coordinates in ("half_pixel", "pytorch_half_pixel"):
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=False)
    return None
