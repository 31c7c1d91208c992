"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.conv import as_tuple, image, output_sizes, padding_of, restore
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


def pooling(
    e: KerasEmitter,
    op: str,
    x: ir.Value,
    *,
    size: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str | None,
) -> ir.Value:
    """``MaxPool`` or ``AveragePool``; an average does not count what was padded."""
    x = image(e, x, data_format)
    batch, channels, *sizes = e.shape(x)
    ones = (1,) * len(size)
    pads = padding_of(padding, tuple(sizes), size, strides, ones)
    y = e.emit(
        op,
        x,
        kernel_shape=list(size),
        strides=list(strides),
        shape=(batch, channels, *output_sizes(pads, tuple(sizes), size, strides, ones)),
        **pads,
    )
    return restore(e, y, data_format)


@keras_layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def MaxPooling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return pooling(
        e,
        "MaxPool",
        x,
        size=layer.pool_size,
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
    )


@keras_layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def AveragePooling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return pooling(
        e,
        "AveragePool",
        x,
        size=layer.pool_size,
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
    )


@keras_op("MaxPool", "AveragePool")
def PoolOp(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    rank = e.rank(x) - 2
    size = as_tuple(op.pool_size, rank)
    return pooling(
        e,
        type(op).__name__,
        x,
        size=size,
        strides=size if op.strides is None else as_tuple(op.strides, rank),
        padding=op.padding.lower(),
        data_format=op.data_format,
    )


@keras_layer("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def GlobalAveragePooling(e: KerasEmitter, layer: Any, x: ir.Value, mask: Any = None) -> ir.Value:
    x = image(e, x, layer.data_format)
    if mask is not None:
        return _masked_mean(e, layer, x, mask)
    batch, channels, *sizes = e.shape(x)
    y = e.emit("GlobalAveragePool", x, shape=(batch, channels, *[1] * len(sizes)))
    return restore(e, y, layer.data_format) if layer.keepdims else e.squeeze(y, range(2, e.rank(y)))


def _masked_mean(e: KerasEmitter, layer: Any, x: ir.Value, mask: ir.Value) -> ir.Value:
    """Mean over the steps that count, of (N, channels, steps)."""
    mask = e.unsqueeze(e.cast(mask, "bool"), [1])
    kept = e.emit("Where", mask, x, e.scalar(0.0, x), shape=e.shape(x), dtype=x.dtype)
    total, count = (e.reduce("ReduceSum", y, [2], layer.keepdims) for y in (kept, e.cast(mask, x.dtype)))
    y = e.emit("Div", total, count, shape=e.shape(total))
    return restore(e, y, layer.data_format) if layer.keepdims else y


@keras_layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def GlobalMaxPooling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    # A reduction and not GlobalMaxPool: where several elements are largest, TensorFlow shares the gradient among them.
    first = 1 if layer.data_format == "channels_last" else 2
    axes = range(first, first + e.rank(x) - 2)
    return e.reduce("ReduceMax", x, axes, layer.keepdims)


@keras_layer(
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
)
def AdaptivePooling(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    shape = e.shape(x)
    sizes = shape[2:] if layer.data_format == "channels_first" else shape[1:-1]
    wanted = as_tuple(layer.output_size, len(sizes))
    if any(size is None or size % want for size, want in zip(sizes, wanted, strict=True)):
        e.refuse(f"sizes {sizes} are no multiples of the sizes {wanted} asked for")
    window = [int(size or 0) // want for size, want in zip(sizes, wanted, strict=True)]
    op = "MaxPool" if "Max" in type(layer).__name__ else "AveragePool"
    return pooling(e, op, x, size=window, strides=window, padding="valid", data_format=layer.data_format)
