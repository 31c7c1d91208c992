"""Dense layers, layers that do nothing in inference, and preprocessing that computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.export.keras_emitter import array_of
from metannvis_translate.export.keras_layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.export.keras_emitter import KerasEmitter


@keras_layer("Dense")
def Dense(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    shape = (*e.shape(x)[:-1], layer.units)
    y = e.emit("MatMul", x, e.weight_of(layer, "kernel"), shape=shape)
    if layer.use_bias:
        y = e.emit("Add", y, e.weight_of(layer, "bias"), shape=shape)
    return e.activate(layer.activation, y)


@keras_layer(
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
)
def Identity(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Identity", x)


@keras_layer("Embedding")
def Embedding(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Gather", e.weight_of(layer, "embeddings"), e.cast(x, "int32"), axis=0, shape=e.output_shape())


@keras_layer("Rescaling")
def Rescaling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        e.refuse("its scale or offset has more than one element")
    x = e.cast(x, layer.compute_dtype)
    # Keras makes a float32 tensor of the number and only then casts it, in double precision too.
    y = e.emit("Mul", x, e.scalar(float(np.float32(layer.scale)), x), shape=e.shape(x))
    return e.emit("Add", y, e.scalar(float(np.float32(layer.offset)), x), shape=e.shape(x))


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
