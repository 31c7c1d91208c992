"""Upsampling and resizing of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.export.keras_layers.conv import image, restore
from metannvis_translate.export.keras_layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.export.keras_emitter import KerasEmitter

#: Keras' interpolations as attributes of ``Resize``. TensorFlow takes pixel centres at halves, and cubic weights with
#: a = −0.5, left out beyond the border.
MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "bicubic": {
        "mode": "cubic",
        "coordinate_transformation_mode": "half_pixel",
        "cubic_coeff_a": -0.5,
        "exclude_outside": 1,
    },
}


def upsampling(e: KerasEmitter, x: ir.Value, factors: Sequence[int], data_format: str, mode: str) -> ir.Value:
    """Enlarge each spatial axis by a whole factor."""
    if mode not in MODES:
        e.refuse(f"interpolation {mode!r} has no equal in ONNX")
    x = image(e, x, data_format)
    batch, channels, *sizes = e.shape(x)
    scales = np.asarray([1, 1, *factors], np.float32)
    sizes = [None if size is None else size * factor for size, factor in zip(sizes, factors, strict=True)]
    y = e.emit("Resize", x, None, scales, shape=(batch, channels, *sizes), **MODES[mode])
    return restore(e, y, data_format)


@keras_layer("UpSampling1D")
def UpSampling1D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, [int(layer.size)], "channels_last", "nearest")


@keras_layer("UpSampling2D")
def UpSampling2D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, layer.size, layer.data_format, layer.interpolation)


@keras_layer("UpSampling3D")
def UpSampling3D(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return upsampling(e, x, layer.size, layer.data_format, "nearest")
