"""Dense layers, embeddings, and layers that do nothing in inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


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
