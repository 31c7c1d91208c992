"""Preprocessing: scaling, categories, and augmentation, which does nothing in inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.builder import array_of
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


@keras_layer("Rescaling")
def Rescaling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    import keras

    x = e.cast(x, layer.compute_dtype)
    shape = e.output_shape()
    # Keras makes float32 tensors of the numbers and only then casts them, in double precision too.
    scale, offset = (np.asarray(v, np.float32) for v in (layer.scale, layer.offset))
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
    y = e.emit("Mul", x, _factor(e, "scale", scale, x), shape=shape)
    return e.emit("Add", y, _factor(e, "offset", offset, x), shape=shape)


def _factor(e: KerasEmitter, name: str, array: Any, like: ir.Value) -> ir.Value:
    if array.ndim == 0:
        return e.scalar(float(array), like)
    return e.buffer(name, array.astype(like.dtype.numpy() if like.dtype is not None else np.float32))


@keras_layer("Normalization")
def Normalization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    import keras

    x = e.cast(x, layer.compute_dtype)
    mean = array_of(layer.mean).astype(layer.compute_dtype)
    deviation = np.maximum(np.sqrt(array_of(layer.variance).astype(layer.compute_dtype)), keras.config.epsilon())
    mean_value = e.buffer("mean", mean)
    deviation_value = e.buffer("deviation", deviation.astype(mean.dtype))
    shape = e.output_shape()
    if layer.invert:
        return e.emit("Add", e.emit("Mul", x, deviation_value, shape=shape), mean_value, shape=shape)
    return e.emit("Div", e.emit("Sub", x, mean_value, shape=shape), deviation_value, shape=shape)


@keras_layer(
    "AugMix",
    "CutMix",
    "MaxNumBoundingBoxes",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
)
def Augmentation(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """What it does to images in inference: nothing."""
    if isinstance(x, dict):
        e.refuse("it is called on images with labels or boxes")
    return e.emit("Identity", x)


@keras_layer("RandomCrop")
def RandomCrop(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """What it does in inference: nothing, though it says that it crops."""
    if e.shape(x) != e.output_shape():
        e.refuse("in inference it lets images through as they are, but declares that it crops them")
    return e.emit("Identity", x)


@keras_layer("AutoContrast")
def AutoContrast(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """Each channel of each image stretched to the whole range of values."""
    if e.rank(x) != 4 or x.dtype != e.dtype_of(layer.compute_dtype):
        e.refuse("it is called on a single image, or one that is not of its own type")
    shape = e.shape(x)
    low_in, high_in = (float(v) for v in layer.value_range)
    is_bytes = (low_in, high_in) == (0.0, 255.0)

    def of(op: str, a: ir.Value, b: ir.Value | float) -> ir.Value:
        return e.emit(op, a, e.scalar(b, a) if isinstance(b, float) else b, shape=e.shape(a))

    y = x if is_bytes else of("Mul", of("Div", of("Sub", x, low_in), high_in - low_in), 255.0)
    low, high = (e.reduce(op, y, [1, 2], keepdims=True) for op in ("ReduceMin", "ReduceMax"))
    scale = e.emit("Div", e.scalar(255.0, y), of("Sub", high, low), shape=e.shape(low))
    offset = of("Mul", e.emit("Neg", low), scale)
    y = e.emit("Add", of("Mul", y, scale), offset, shape=shape)
    y = e.emit("Clip", y, e.scalar(0.0, y), e.scalar(255.0, y))
    if not is_bytes:
        y = of("Add", of("Mul", of("Div", y, 255.0), high_in - low_in), low_in)
    return e.emit("Where", e.emit("IsNaN", y), x, y, shape=shape, dtype=x.dtype)


# --- categories -------------------------------------------------------------------------------------------------------


def encoded(e: KerasEmitter, index: ir.Value, mode: str, depth: int, factors: ir.Value | None = None) -> ir.Value:
    """Indices as they are, or as zeros and ones: one a category, of each element or of all of a sample."""
    shape = list(e.shape(index))
    if mode == "one_hot" and len(shape) > 1 and shape[-1] == 1:
        index = e.squeeze(index, [len(shape) - 1])
        shape = shape[:-1]
    index = e.cast(index, "int64")
    categories = e.constant(np.arange(depth, dtype=np.int64))
    hit = e.emit("Equal", e.unsqueeze(index, [len(shape)]), categories, shape=(*shape, depth))
    y = e.cast(hit, e.dtype)
    if mode == "one_hot":
        return y
    if factors is not None:
        y = e.emit("Mul", y, e.unsqueeze(e.cast(factors, e.dtype), [len(shape)]), shape=e.shape(y))
    axis = 1 if len(shape) > 1 else 0
    return e.reduce("ReduceMax" if mode == "multi_hot" else "ReduceSum", y, [axis], keepdims=False)


@keras_layer("CategoryEncoding")
def CategoryEncoding(e: KerasEmitter, layer: Any, x: ir.Value, count_weights: Any = None) -> ir.Value:
    if layer.sparse:
        e.refuse("it puts out a sparse tensor")
    return encoded(e, x, layer.output_mode, int(layer.num_tokens), count_weights)


@keras_layer("Discretization")
def Discretization(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """How many boundaries are not larger; TensorFlow has these in single precision."""
    if layer.sparse or layer.bin_boundaries is None:
        e.refuse("it puts out a sparse tensor, or its bins are not known")
    is_wide = x.dtype is not None and x.dtype.name in ("FLOAT", "DOUBLE")
    x = x if is_wide else e.cast(x, "float32")
    bounds = np.asarray(layer.bin_boundaries, np.float32).astype(x.dtype.numpy() if x.dtype is not None else np.float32)
    shape = e.shape(x)
    below = e.emit("GreaterOrEqual", e.unsqueeze(x, [len(shape)]), e.constant(bounds), shape=(*shape, len(bounds)))
    index = e.reduce("ReduceSum", e.cast(below, "int64"), [len(shape)], keepdims=False)
    if layer.output_mode == "int":
        return e.cast(index, e.dtype)
    return encoded(e, index, layer.output_mode, len(bounds) + 1)


@keras_layer("IntegerLookup")
def IntegerLookup(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """Index of each number in the vocabulary, one and the same for all that are not in it."""
    if layer.invert or layer.sparse or layer.num_oov_indices != 1 or layer.output_mode == "tf_idf":
        e.refuse("it is inverted, sparse, weighted, or has not one index for what is not in its vocabulary")
    if layer.mask_token is not None and layer.output_mode != "int":
        e.refuse("it masks a token and encodes the others")
    names = [int(name) for name in layer.get_vocabulary(include_special_tokens=False)]
    special = len(layer.get_vocabulary()) - len(names)
    unknown = special - 1
    table = {name: special + k for k, name in enumerate(names)}
    if layer.mask_token is not None and layer.output_mode == "int":
        table[int(layer.mask_token)] = 0
    keys = e.constant(np.asarray(list(table), np.int64))
    moves = e.constant(np.asarray(list(table.values()), np.int64) - unknown)
    shape = (*e.shape(x), len(table))
    hit = e.emit("Equal", e.unsqueeze(e.cast(x, "int64"), [e.rank(x)]), keys, shape=shape)
    moved = e.emit("Where", hit, moves, e.scalar(0, moves), shape=shape, dtype="int64")
    index = e.reduce("ReduceSum", moved, [len(shape) - 1], keepdims=False)
    index = e.emit("Sub", index, e.scalar(-unknown, index), shape=e.shape(index))
    if layer.output_mode == "int":
        return e.cast(index, e.dtype)
    depth = layer.max_tokens if layer.pad_to_max_tokens else len(layer.get_vocabulary())
    return encoded(e, index, layer.output_mode, int(depth))
