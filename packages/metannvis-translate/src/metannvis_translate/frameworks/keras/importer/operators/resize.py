"""Image resizing."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sizes import is_number, size_tensor
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import CORNERS
from metannvis_translate.importing.resampling import (
    Interpolation,
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
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Upsample", since=7)
def Upsample_7(ctx: KerasImporter, X: Value, *, mode: str = "nearest", scales: Sequence[float]) -> LaidOut:
    return resize(ctx, X, list(scales), None, upsample(mode))


@converter("Upsample", since=9)
def Upsample(ctx: KerasImporter, X: Value, scales: Value, *, mode: str = "nearest") -> LaidOut:
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=10)
def Resize_10(ctx: KerasImporter, X: Value, scales: Value, *, mode: str = "nearest") -> LaidOut:
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
) -> LaidOut:
    """Native ``UpSampling2D`` where it does the same, else a matrix (or, for the nearest, indices) an axis."""
    along = [axis % X.rank for axis in (range(X.rank) if axes is None else axes)]

    def full(value: Value | None, what: str) -> list[Any] | None:
        if value is None or (isinstance(value, ConstantValue) and value.array.size == 0):
            return None
        elements = ctx.own_sizes(value, along) if what == "sizes" else ctx.known(value, what).tolist()
        return for_all_axes(elements, along, X.rank)

    scale, size = full(scales, "scales"), full(sizes, "sizes")
    if size is not None and keep_aspect_ratio_policy != "stretch":
        found = proportional(ctx.shape(0) or (None,) * X.rank, size, keep_aspect_ratio_policy)
        if found is None:
            ctx.refuse("its aspect ratio depends on a free size")
        scale, size = found
    how = Interpolation(
        mode, coordinate_transformation_mode, nearest_mode, bool(antialias), cubic_coeff_a, bool(exclude_outside),
        extrapolation_value,
    )  # fmt: skip
    crops = how.coordinates == "tf_crop_and_resize"
    regions = regions_of(ctx.known(roi, "region").tolist(), along) if crops else {}
    return resize(ctx, X, scale, size, how, regions)


def resize(
    ctx: KerasImporter,
    X: Value,
    scales: list[Any] | None,
    sizes: list[Any] | None,
    how: Interpolation,
    regions: Mapping[int, Region] | None = None,
) -> LaidOut:
    """Resize by ``scales`` or to ``sizes`` (logical axes, ``None`` for one that stays)."""
    shape = ctx.shape(0) or (None,) * X.rank
    regions, mode, coordinates = regions or {}, how.mode, how.coordinates
    if sizes is not None and any(
        size is not None and (not is_number(size) or have is None) for have, size in zip(shape, sizes, strict=True)
    ):
        along = [axis for axis, size in enumerate(sizes) if size is not None and size != shape[axis]]
        return resample(ctx, X, along, None, sizes, how)
    found = factors(shape, scales, sizes)
    scales = found or []
    steps = resized_axes(scales, regions)
    x = ctx.placed(X)
    if not steps:
        return x
    if steps[0] >= 2 and x.rank == 4 and not how.antialias:
        method = native(scales[2:], how, exact=ctx.exact)
        if method is not None:
            image = ctx.channels_last(x)
            size = tuple(int(scale) for scale in scales[2:])
            return ctx.keep(image, ctx.layer_of(layers.UpSampling2D, image.tensor, size=size, interpolation=method))
    if any(shape[axis] is None for axis in steps):
        return resample(ctx, X, steps, scales, None, how)
    tensor, covered = x.tensor, []
    for axis in steps:
        old = int(shape[axis] or 0)
        if (
            coordinates == "align_corners"
            and ctx.stated(CORNERS) != "rounded"
            and sizes is None
            and not (old * scales[axis]).is_integer()
        ):
            ctx.refuse("ONNX Runtime rounds the new length before it aligns the corners and ONNX's evaluator does not")
        line, where = line_of(axis, old, scales[axis], sizes, coordinates, regions), x.axis(axis)
        if coordinates == "tf_crop_and_resize" and line.outside().any():
            along = [1] * x.rank
            along[where] = line.new
            covered.append(line.outside().reshape(along))
        if mode == "nearest":
            tensor = ops.take(tensor, line.nearest(how.nearest).tolist(), axis=where)
            continue
        matrix = how.matrix(line).T.astype(ctx.compute)
        last = x.rank - 1
        tensor = ops.moveaxis(ops.matmul(ops.moveaxis(tensor, where, last), np.ascontiguousarray(matrix)), last, where)
    if covered:
        tensor = ops.where(functools.reduce(np.logical_or, covered), np.asarray(how.fill, ctx.compute), tensor)
    return ctx.keep(x, tensor)


def resample(
    ctx: KerasImporter,
    X: Value,
    along: Sequence[int],
    scales: Sequence[float] | None,
    sizes: Sequence[Any] | None,
    how: Interpolation,
) -> LaidOut:
    """Resize axes of free size, or to free sizes: by a layer that sees them when the model runs."""
    usual, mode, coordinates = ("half_pixel", "asymmetric", "align_corners"), how.mode, how.coordinates
    if coordinates == "pytorch_half_pixel":  # it differs where a new size is 1
        coordinates = "half_pixel" if scales is not None or mode == "nearest" else coordinates
    if coordinates not in usual or how.antialias or how.exclude_outside:
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
        rounding=how.nearest,
        a=float(how.a),
    )
    return ctx.keep(x, tensor)


def native(scales: Sequence[float], how: Interpolation, *, exact: bool) -> str | None:
    """``interpolation`` with which ``UpSampling2D`` does what is asked; TensorFlow's bilinear weights are single."""
    if not all(scale.is_integer() for scale in scales):
        return None
    if how.repeats:
        return "nearest"
    return "bilinear" if how.mode == "linear" and how.half_pixel and not exact else None
