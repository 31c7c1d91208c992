"""Upsampling and resizing of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.conv import image, restore
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op
from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.requirements import require

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

Array = np.ndarray[Any, Any]
#: Keras' interpolations as attributes of ``Resize``. TensorFlow takes pixel centres at halves. Its other interpolations have
#: no equal in ONNX (its cubic weights are looked up in a table of 1,024 entries): there each axis is multiplied by a matrix.
MODES: dict[str, dict[str, Any]] = {
    "nearest": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}
SINGLE = "Resize: keras.ops.image.resize computes in float32 (1e-7)"
BY_WHOLE = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def resized(
    e: KerasEmitter,
    x: ir.Value,
    sizes: Sequence[int],
    mode: str,
    *,
    antialias: bool = False,
    corners: str = "half_pixel",
) -> ir.Value:
    """An image (N, C, height, width) of other sizes; ``corners`` as ONNX has it."""
    batch, channels, *before = e.shape(x)
    is_double = x.dtype is not None and x.dtype.numpy() == np.float64
    if list(before) == list(sizes):
        if is_double and mode != "nearest":  # that too goes through float32
            e.single.append(SINGLE)
        return x
    if any(size is None for size in before):
        e.refuse("an image of free size is resized to a fixed one")
    shape = (batch, channels, *sizes)
    if mode == "nearest" or (mode in MODES and not antialias):
        kept = e.emit("Shape", x, start=0, end=2, dtype="int64", shape=[2])
        wanted = e.emit("Concat", kept, e.ints(*sizes), axis=0, shape=[4])
        attributes = MODES[mode] | {"coordinate_transformation_mode": corners}
        if mode == "nearest" and corners == "asymmetric":
            attributes["nearest_mode"] = "floor"
        return e.emit("Resize", x, None, None, wanted, shape=shape, **attributes)
    rows, columns = (
        weights(int(old or 0), new, mode, antialias=antialias) for old, new in zip(before, sizes, strict=True)
    )
    dtype = x.dtype.numpy() if x.dtype is not None else np.dtype("float32")
    y = x
    if before[0] != sizes[0]:
        y = e.emit("MatMul", e.buffer("rows", rows.astype(dtype)), y, shape=(batch, channels, sizes[0], before[1]))
    if before[1] != sizes[1]:
        y = e.emit("MatMul", y, e.buffer("columns", columns.T.astype(dtype)), shape=shape)
    if is_double:
        e.single.append(SINGLE)
    return y


def weights(old: int, new: int, mode: str, *, antialias: bool) -> Array:
    """Weights of the old elements in each new one, shape (new, old): what TensorFlow makes of each old element alone."""
    tf = require("tensorflow")
    each = np.eye(old, dtype=np.float32).reshape(old, 1, old)
    found: Array = tf.image.resize(each, (new, 1), method=mode, antialias=antialias).numpy()
    return found.reshape(new, old)


def upsampling(e: KerasEmitter, x: ir.Value, factors: Sequence[int], data_format: str, mode: str) -> ir.Value:
    """Enlarge each spatial axis by a whole factor."""
    x = image(e, x, data_format)
    batch, channels, *sizes = e.shape(x)
    if mode not in ("nearest", "bilinear"):
        wanted = [None if size is None else size * factor for size, factor in zip(sizes, factors, strict=True)]
        if None in wanted:
            e.refuse(f"the interpolation {mode!r} of an image of free size")
        return restore(e, resized(e, x, [int(size or 0) for size in wanted], mode), data_format)
    scales = np.asarray([1, 1, *factors], np.float32)
    sizes = [None if size is None else size * factor for size, factor in zip(sizes, factors, strict=True)]
    attributes = BY_WHOLE if mode == "nearest" else MODES[mode]
    return restore(e, e.emit("Resize", x, None, scales, shape=(batch, channels, *sizes), **attributes), data_format)


@keras_layer("UpSampling1D")
def UpSampling1D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, [int(layer.size)], "channels_last", "nearest")


@keras_layer("UpSampling2D")
def UpSampling2D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, layer.size, layer.data_format, layer.interpolation)


@keras_layer("UpSampling3D")
def UpSampling3D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, layer.size, layer.data_format, "nearest")


# --- preprocessing ----------------------------------------------------------------------------------------------------


@keras_layer("Resizing")
def Resizing(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    before = x.dtype
    x = image(e, x, layer.data_format)
    if e.rank(x) != 4:
        e.refuse("it is called on a single image")
    sizes = (int(layer.height), int(layer.width))
    if layer.crop_to_aspect_ratio:
        x = _cropped(e, x, sizes)
    elif layer.pad_to_aspect_ratio:
        x = _padded(e, x, sizes, float(layer.fill_value))
    is_float = before is not None and before.is_floating_point()
    if not is_float and layer.interpolation != "nearest":
        # a pixel half-way between two numbers goes up or down by the last bit of a sum
        e.refuse("it rounds what it interpolates of whole numbers; cast the images to floats first")
    return restore(e, resized(e, x, sizes, layer.interpolation, antialias=layer.antialias), layer.data_format)


@keras_op("Resize")
def ResizeOp(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    is_single = e.rank(x) == 3
    x = image(e, e.unsqueeze(x, [0]) if is_single else x, op.data_format)
    before, sizes = x.dtype, (int(op.size[0]), int(op.size[1]))
    if op.crop_to_aspect_ratio or op.pad_to_aspect_ratio:
        e.refuse("it keeps the ratio of the sides")
    if (before is None or not before.is_floating_point()) and op.interpolation != "nearest":
        e.refuse("it rounds what it interpolates of whole numbers; cast the images to floats first")
    y = restore(e, resized(e, x, sizes, op.interpolation, antialias=bool(op.antialias)), op.data_format)
    return e.squeeze(y, [0]) if is_single else y


def _fitting(height: int, width: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Height and width of another shape of image, of this width and this height; TensorFlow divides in single precision."""
    return (
        int(np.float32(width * sizes[0]) / np.float32(sizes[1])),
        int(np.float32(height * sizes[1]) / np.float32(sizes[0])),
    )


def _known(e: KerasEmitter, x: ir.Value) -> tuple[int, int]:
    _, _, height, width = e.shape(x)
    if height is None or width is None:
        e.refuse("the size of the image is not known")
    return height, width


def _cropped(e: KerasEmitter, x: ir.Value, sizes: Sequence[int]) -> ir.Value:
    """The largest middle part of the shape of the image that is wanted."""
    found = {}
    have = _known(e, x)
    for axis, (size, wanted) in enumerate(zip(have, _fitting(*have, sizes), strict=True), 2):
        kept = max(min(size, wanted), 1)
        start = (size - kept) // 2
        found[axis] = slice(start, start + kept) if kept < size else slice(None)
    return cut(e, x, found)


def _padded(e: KerasEmitter, x: ir.Value, sizes: Sequence[int], fill: float) -> ir.Value:
    """As much on both sides that it has the shape of the image that is wanted."""
    have = _known(e, x)
    sides = [max(wanted - size, 0) // 2 for size, wanted in zip(have, _fitting(*have, sizes), strict=True)]
    if not any(sides):
        return x
    pads = np.asarray([0, 0, *sides] * 2, np.int64)
    batch, channels, *_ = e.shape(x)
    shape = (batch, channels, *(size + 2 * side for size, side in zip(have, sides, strict=True)))
    return e.emit("Pad", x, pads, e.scalar(fill, x), mode="constant", shape=shape)


@keras_layer("CenterCrop")
def CenterCrop(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """The middle part; of an image that is too small for that, the largest one that has the shape, resized."""
    x = image(e, e.cast(x, layer.compute_dtype), layer.data_format)
    if e.rank(x) != 4:
        e.refuse("it is called on a single image")
    sizes = (int(layer.height), int(layer.width))
    have = _known(e, x)
    if all(size >= wanted for size, wanted in zip(have, sizes, strict=True)):
        starts = [(size - wanted) // 2 for size, wanted in zip(have, sizes, strict=True)]
        y = cut(e, x, {axis + 2: slice(starts[axis], starts[axis] + sizes[axis]) for axis in range(2)})
    else:
        y = resized(e, _cropped(e, x, sizes), sizes, "bilinear")
    return restore(e, y, layer.data_format)
