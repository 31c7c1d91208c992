"""Image sampling: reading between the pixels, at places that are computed when the model runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.dynamic_conv import dynamic_conv
from metannvis_translate.frameworks.keras.importer.operators.activation import strict_clip
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, channels_last, identity
from metannvis_translate.graph.metadata import BORDER
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import steps

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@dataclass(frozen=True)
class Samples:
    """Reads a channels-last image of known size at places given as one tensor of pixel coordinates a spatial axis.

    The places have the shape ``(batch, …)``; what is read has ``(batch, …, channels)``.
    """

    image: Any
    padding: str = "zeros"
    corners: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(self.image.shape[1:-1])

    def folded(self, at: Any, size: int) -> Any:
        """Coordinates reflected at the image's border until they lie within."""
        low, high = (0.0, size - 1.0) if self.corners else (-0.5, size - 0.5)
        span = high - low
        if span == 0:
            return ops.zeros_like(at)
        away = ops.abs(ops.subtract(at, low))
        flips, rest = ops.floor(ops.divide(away, span)), ops.mod(away, span)
        even = ops.equal(ops.mod(flips, 2.0), 0.0)
        return ops.where(even, ops.add(rest, low), ops.subtract(high, rest))

    def within(self, at: Any, size: int) -> Any:
        """Coordinates brought into the image as the padding says; zero padding leaves them."""
        if self.padding == "zeros":
            return at
        if self.padding == "reflection":
            at = self.folded(at, size)
        return strict_clip(at, 0.0, size - 1.0)

    def neighbours(self, at: Any, size: int, weights: Sequence[Any], first: int) -> Iterator[tuple[Any, Any]]:
        """Index (int32) and weight of the pixels ``first``, ``first + 1`` … from the one before each place, one axis."""
        base = ops.floor(at)
        for k, weight in enumerate(weights, start=first):
            pixel = ops.add(base, float(k))
            if self.padding == "zeros":
                inside = ops.logical_and(ops.greater_equal(pixel, 0.0), ops.less_equal(pixel, size - 1.0))
                weight = ops.where(inside, weight, ops.zeros_like(weight))
            index = ops.clip(self.within(pixel, size), 0.0, size - 1.0)
            # a place that is no number is none of the image, and its weight is no number either
            yield ops.cast(ops.where(ops.isnan(index), ops.zeros_like(index), index), "int32"), weight

    def read(self, axes: Sequence[list[tuple[Any, Any]]]) -> Any:
        """Weighted sum over all combinations of neighbours."""
        sizes = self.sizes
        flat = ops.reshape(self.image, (-1, self.image.shape[-1]))
        one = ops.ones_like(axes[0][0][0])
        row = ops.subtract(ops.cumsum(one, axis=0), one)
        total = None
        for combination in itertools.product(*axes):
            index = row
            for size, (pixel, _) in zip(sizes, combination, strict=True):
                index = add(ops.multiply(index, size), pixel)
            weight = functools.reduce(ops.multiply, [weight for _, weight in combination])
            part = ops.multiply(ops.take(flat, index, axis=0), ops.expand_dims(weight, -1))
            total = part if total is None else ops.add(total, part)
        return total

    def linear(self, places: Sequence[Any]) -> Any:
        axes = []
        for at, size in zip(places, self.sizes, strict=True):
            at = self.within(at, size)
            part = ops.subtract(at, ops.floor(at))
            axes.append(list(self.neighbours(at, size, [ops.subtract(1.0, part), part], 0)))
        return self.read(axes)

    def cubic(self, places: Sequence[Any], a: float = -0.75) -> Any:
        """Bicubic by Keys' formula; the padding is that of the pixels."""
        axes = []
        for at, size in zip(places, self.sizes, strict=True):
            part = ops.subtract(at, ops.floor(at))
            back = ops.subtract(1.0, part)
            weights = [_far(ops.add(part, 1.0), a), _near(part, a), _near(back, a), _far(ops.add(back, 1.0), a)]
            axes.append(list(self.neighbours(at, size, weights, -1)))
        return self.read(axes)

    def nearest(self, places: Sequence[Any]) -> Any:
        axes = []
        for at, size in zip(places, self.sizes, strict=True):
            axes.append(list(self.neighbours(at, size, [ops.ones_like(at)], 0)))
        return self.read(axes)


def _near(x: Any, a: float) -> Any:
    return ops.add(ops.multiply(ops.subtract(ops.multiply(x, a + 2), a + 3), ops.square(x)), 1.0)


def _far(x: Any, a: float) -> Any:
    inner = ops.add(ops.multiply(ops.subtract(ops.multiply(x, a), 5 * a), x), 8 * a)
    return ops.subtract(ops.multiply(inner, x), 4 * a)


def image_of(ctx: KerasImporter, X: Value) -> LaidOut:
    """A channels-last image of known size."""
    x = ctx.channels_last(X)
    if None in x.tensor.shape[1:]:
        ctx.refuse("it needs to know the image's size, which is free")
    return x


@converter("GridSample", since=16)
def GridSample(
    ctx: KerasImporter,
    X: Value,
    grid: Value,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> LaidOut:
    """Reads an image at places that run from −1 to 1 along each axis, the last axis' coordinate first.

    Where a place beyond the image lies is settled before the nearest pixel is (PyTorch) or after (ONNX). Of bicubic weights it
    is settled pixel by pixel, as PyTorch and ONNX Runtime do; ONNX's evaluator moves places to the border first.
    """
    x, g = image_of(ctx, X), ctx.plain(grid).tensor
    samples = Samples(x.tensor, padding_mode, bool(align_corners))
    places = []
    for k, size in enumerate(samples.sizes):
        at = ops.add(g[..., len(samples.sizes) - 1 - k], 1.0)
        if align_corners:
            places.append(ops.multiply(at, (size - 1) / 2))
        else:
            places.append(ops.divide(ops.subtract(ops.multiply(at, float(size)), 1.0), 2.0))
    mode = mode.removeprefix("bi")
    if mode == "nearest":
        if ctx.stated(BORDER) == "place":
            places = [samples.within(at, size) for at, size in zip(places, samples.sizes, strict=True)]
        result = samples.nearest([ops.round(at) for at in places])
    elif mode == "cubic":
        result = samples.cubic(places)
    else:
        result = samples.linear(places)
    return LaidOut(result, channels_last(x.rank))


@converter("AffineGrid", since=20)
def AffineGrid(ctx: KerasImporter, theta: Value, size: Value, *, align_corners: int = 0) -> LaidOut:
    """Places of an image's pixels under affine maps ``(batch, n, n + 1)``, for ``GridSample``."""
    wanted = [int(n) for n in ctx.known(size, "size")][2:]
    n = len(wanted)
    maps = ctx.plain(theta).tensor
    total = None
    for k in range(n + 1):
        column = ops.reshape(maps[:, :, k], (-1, *[1] * n, n))
        if k < n:
            count = wanted[n - 1 - k]  # coordinates run from the last axis to the first
            line = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
            if not align_corners:
                line = (2 * np.arange(count) + 1) / count - 1
            along = [1] * (n + 2)
            along[n - k] = count
            column = ops.multiply(column, line.reshape(along).astype(ctx.compute))
        total = column if total is None else add(total, column)
    return LaidOut(total, identity(n + 2))


@converter("RoiAlign", since=10)
def RoiAlign_10(
    ctx: KerasImporter,
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
    return RoiAlign(
        ctx, X, rois, batch_indices, coordinate_transformation_mode="output_half_pixel", mode=mode,
        output_height=output_height, output_width=output_width, sampling_ratio=sampling_ratio, spatial_scale=spatial_scale,
    )  # fmt: skip


@converter("RoiAlign", since=16)
def RoiAlign(
    ctx: KerasImporter,
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
    """Regions ``(regions, 4)`` of images, each in cells of which some points are read and averaged."""
    x = ctx.channels_last(X)
    tensor = ctx.operator_layer(
        keras_objects.RoiAlign, x.tensor, ctx.plain(rois).tensor, ctx.plain(batch_indices).tensor,
        height=output_height, width=output_width, ratio=sampling_ratio, scale=spatial_scale,
        half=coordinate_transformation_mode == "half_pixel", largest=mode == "max",
    )  # fmt: skip
    return LaidOut(tensor, channels_last(4))


@converter("DeformConv", since=19)
def DeformConv(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    offset: Value,
    B: Value | None = None,
    mask: Value | None = None,
    *,
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    offset_group: int = 1,
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """Convolution that reads each pixel beside its place, by ``offset`` ``(batch, groups · *k · n, *out)``.

    References
    ----------
    X. Zhu et al., "Deformable ConvNets v2: more deformable, better results", 2018.
    """
    x, kernel = image_of(ctx, X), ctx.plain(W).tensor
    n = x.rank - 2
    if None in kernel.shape:
        ctx.refuse("the size of its kernel is free")
    size = tuple(int(k) for k in kernel.shape[2:])
    (strides, dilations), pads = steps(strides, dilations, n), tuple(pads) or (0,) * 2 * n
    moved = ctx.channels_last(offset).tensor  # (batch, *out, groups · *k · n)
    out, taps = moved.shape[1:-1], int(np.prod(size))
    if None in out:
        ctx.refuse("the size of its offsets is free")
    moved = ops.reshape(moved, (-1, *out, offset_group, taps, n))
    strength = None
    if mask is not None:
        strength = ops.reshape(ctx.channels_last(mask).tensor, (-1, *out, offset_group, taps, 1))
    corners = np.stack(
        np.meshgrid(*(np.arange(k) * d for k, d in zip(size, dilations, strict=True)), indexing="ij"), -1
    )
    corners = corners.reshape(taps, n)
    columns = []
    for g, part in enumerate(ops.split(x.tensor, offset_group, axis=-1)):
        places = []
        for axis in range(n):
            start = (np.arange(out[axis]) * strides[axis] - pads[axis]).reshape([-1] + [1] * (n - axis))
            places.append(add(moved[..., g, :, axis], (start + corners[:, axis]).astype(ctx.compute)))
        column = Samples(part).linear(places)  # (batch, *out, taps, channels / groups)
        columns.append(column if strength is None else ops.multiply(column, strength[..., g, :, :]))
    column = columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=-1)
    # one window a place: a convolution over the taps alone
    flat = ops.reshape(column, (-1, taps, x.tensor.shape[-1]))
    kernel = ops.reshape(kernel, (*kernel.shape[:2], taps))
    result = ops.reshape(dynamic_conv(flat, kernel, (1,), "valid", (1,)), (-1, *out, kernel.shape[0]))
    if B is not None:
        result = add(result, ctx.plain(B).tensor)
    return LaidOut(result, channels_last(x.rank))
