"""Resizing images."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sizes import is_number, size_tensor
from metannvis_translate.graph.layout import Placed
from metannvis_translate.importing.resampling import Line, factors, proportional
from metannvis_translate.importing.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Upsample", since=7)
def Upsample_7(ctx: KerasImporter, X: Value, *, mode: str = "nearest", scales: Sequence[float]) -> Placed:
    return resize(ctx, X, list(scales), None, mode=mode, coordinates="asymmetric", nearest="floor")


@converter("Upsample", since=9)
def Upsample(ctx: KerasImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=10)
def Resize_10(ctx: KerasImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=11)
def Resize(
    ctx: KerasImporter,
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
    """Native ``UpSampling2D`` where it does the same, else a matrix (or, for the nearest, indices) an axis."""
    along = [axis % X.rank for axis in (range(X.rank) if axes is None else axes)]

    def full(value: Value | None, what: str) -> list[Any] | None:
        if value is None or (isinstance(value, Const) and value.array.size == 0):
            return None
        elements = ctx.own_sizes(value, along) if what == "sizes" else ctx.known(value, what).tolist()
        given = dict(zip(along, elements, strict=True))
        return [given.get(axis) for axis in range(X.rank)]

    scale, size = full(scales, "scales"), full(sizes, "sizes")
    if size is not None and keep_aspect_ratio_policy != "stretch":
        found = proportional(ctx.shape(0) or (None,) * X.rank, size, keep_aspect_ratio_policy)
        if found is None:
            ctx.refuse("its aspect ratio depends on a free size")
        scale, size = found
    regions = {}
    if coordinate_transformation_mode == "tf_crop_and_resize":
        corners = ctx.known(roi, "region").astype(np.float64).tolist()
        regions = {axis: (corners[k], corners[k + len(along)]) for k, axis in enumerate(along)}
    return resize(
        ctx,
        X,
        scale,
        size,
        regions=regions,
        fill=extrapolation_value,
        mode=mode,
        coordinates=coordinate_transformation_mode,
        nearest=nearest_mode,
        antialias=bool(antialias),
        a=cubic_coeff_a,
        exclude_outside=bool(exclude_outside),
    )


def resize(
    ctx: KerasImporter,
    X: Value,
    scales: list[Any] | None,
    sizes: list[Any] | None,
    *,
    mode: str,
    coordinates: str,
    nearest: str,
    regions: Mapping[int, tuple[float, float]] | None = None,
    fill: float = 0.0,
    **others: Any,
) -> Placed:
    """Resize by ``scales`` or to ``sizes`` (logical axes, ``None`` for one that stays)."""
    shape = ctx.shape(0) or (None,) * X.rank
    regions = regions or {}
    if sizes is not None and any(
        size is not None and (not is_number(size) or have is None) for have, size in zip(shape, sizes, strict=True)
    ):
        along = [axis for axis, size in enumerate(sizes) if size is not None and size != shape[axis]]
        return resample(ctx, X, along, None, sizes, mode, coordinates, nearest, bool(regions), others)
    found = factors(shape, scales, sizes)
    scales = found or []
    steps = [axis for axis, scale in enumerate(scales) if scale != 1 or regions.get(axis, (0.0, 1.0)) != (0.0, 1.0)]
    x = ctx.placed(X)
    if not steps:
        return x
    if steps[0] >= 2 and x.rank == 4 and not others.get("antialias"):
        method = native(scales[2:], mode, coordinates, nearest, exact=ctx.exact)
        if method is not None:
            image = ctx.channels_last(x)
            size = tuple(int(scale) for scale in scales[2:])
            return ctx.keep(image, ctx.layer_of(layers.UpSampling2D, image.tensor, size=size, interpolation=method))
    if any(shape[axis] is None for axis in steps):
        return resample(ctx, X, steps, scales, None, mode, coordinates, nearest, bool(regions), others)
    tensor, covered = x.tensor, []
    for axis in steps:
        old = int(shape[axis] or 0)
        new = int(old * scales[axis]) if sizes is None or sizes[axis] is None else int(sizes[axis])
        if (
            coordinates == "align_corners"
            and ctx.hub.source == "onnx"
            and sizes is None
            and not (old * scales[axis]).is_integer()
        ):
            ctx.refuse("ONNX Runtime rounds the new length before it aligns the corners and ONNX's evaluator does not")
        line, where = Line(old, new, scales[axis], coordinates, regions.get(axis, (0.0, 1.0))), x.axis(axis)
        if coordinates == "tf_crop_and_resize" and line.outside().any():
            along = [1] * x.rank
            along[where] = new
            covered.append(line.outside().reshape(along))
        if mode == "nearest":
            tensor = ops.take(tensor, line.nearest(nearest).tolist(), axis=where)
            continue
        matrix = line.matrix(mode, **others).T.astype(ctx.compute)
        last = x.rank - 1
        tensor = ops.moveaxis(ops.matmul(ops.moveaxis(tensor, where, last), np.ascontiguousarray(matrix)), last, where)
    if covered:
        tensor = ops.where(functools.reduce(np.logical_or, covered), np.asarray(fill, ctx.compute), tensor)
    return ctx.keep(x, tensor)


def resample(
    ctx: KerasImporter,
    X: Value,
    along: Sequence[int],
    scales: Sequence[float] | None,
    sizes: Sequence[Any] | None,
    mode: str,
    coordinates: str,
    nearest: str,
    has_regions: bool,
    others: Mapping[str, Any],
) -> Placed:
    """Resize axes of free size, or to free sizes: by a layer that sees them when the model runs."""
    usual = ("half_pixel", "asymmetric", "align_corners")
    if coordinates == "pytorch_half_pixel":  # it differs where a new size is 1
        coordinates = "half_pixel" if scales is not None or mode == "nearest" else coordinates
    if coordinates not in usual or has_regions or others.get("antialias") or others.get("exclude_outside"):
        ctx.refuse(f"{mode} resizing with {coordinates!r} coordinates needs to know the image's size, which is free")
    x = ctx.placed(X)
    wanted: list[Any] = [None if sizes is None else sizes[axis] for axis in along]
    free = [size_tensor(ctx, size, "int64") for size in wanted if size is not None and not is_number(size)]
    tensor = ctx.operator_layer(
        keras_objects.Resample,
        x.tensor,
        *free,
        axes=[x.axis(axis) for axis in along],
        scales=None if scales is None else [float(scales[axis]) for axis in along],
        lengths=[int(size) if is_number(size) else None for size in wanted],
        mode=mode,
        coordinates=coordinates,
        rounding=nearest,
        a=float(others.get("a", -0.75)),
    )
    return ctx.keep(x, tensor)


def native(scales: Sequence[float], mode: str, coordinates: str, nearest: str, *, exact: bool) -> str | None:
    """``interpolation`` with which ``UpSampling2D`` does what is asked; TensorFlow's bilinear weights are single."""
    if not all(scale.is_integer() for scale in scales):
        return None
    half = coordinates in ("half_pixel", "pytorch_half_pixel")
    if mode == "nearest" and (
        (coordinates == "asymmetric" and nearest == "floor") or (half and nearest.startswith("round"))
    ):
        return "nearest"
    return "bilinear" if mode == "linear" and half and not exact else None
