"""Spectrograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer
from metannvis_translate.frameworks.requirements import require

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

Array = np.ndarray[Any, Any]


@keras_layer("MelSpectrogram")
def MelSpectrogram(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """A windowed Fourier transform as a convolution, and its magnitudes on the mel scale."""
    if e.rank(x) != 2:
        e.refuse("it is called on a single signal")
    dtype = layer.compute_dtype if layer.compute_dtype in ("float32", "float64") else "float32"
    x = e.cast(x, dtype)
    batch, length = e.shape(x)
    size, half, stride = int(layer.fft_length), int(layer.fft_length) // 2, int(layer.sequence_stride)
    padded = None if length is None else length + 2 * half
    frames = None if padded is None else (padded - size) // stride + 1
    bins = half + 1
    kernel = np.concatenate(fourier(size, int(layer.sequence_length), layer.window, dtype))[:, None]
    y = e.emit("Pad", x, np.asarray([0, half, 0, half], np.int64), mode="reflect", shape=(batch, padded))
    y = e.emit(
        "Conv",
        e.unsqueeze(y, [1]),
        e.buffer("fourier", kernel.astype(dtype)),
        kernel_shape=[size],
        strides=[stride],
        shape=(batch, 2 * bins, frames),
    )
    shape = (batch, bins, frames)
    squares = e.emit("Mul", y, y, shape=e.shape(y))
    real, imaginary = e.emit_many("Split", squares, axis=1, num_outputs=2, outputs=2, shapes=[shape, shape])
    y = e.emit("Sqrt", e.emit("Add", real, imaginary, shape=shape))
    y = e.emit("Pow", y, e.scalar(float(layer.mag_exp), y), shape=shape)
    matrix = np.asarray(
        layer.linear_to_mel_weight_matrix(
            num_mel_bins=layer.num_mel_bins,
            num_spectrogram_bins=bins,
            sampling_rate=layer.sampling_rate,
            lower_edge_hertz=layer.min_freq,
            upper_edge_hertz=layer.max_freq,
        )
    )
    shape = (batch, int(layer.num_mel_bins), frames)
    y = e.emit("MatMul", e.buffer("mel", np.ascontiguousarray(matrix.T).astype(dtype)), y, shape=shape)
    if layer.power_to_db:
        y = _decibel(e, layer, y)
    return e.cast(y, layer.compute_dtype)


def _decibel(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """Power in decibel, not more than so much below the loudest of the whole batch."""
    lowest, shape = float(layer.min_power), e.shape(x)
    y = e.emit("Log", e.emit("Max", x, e.scalar(lowest, x), shape=shape))
    y = e.emit("Mul", y, e.scalar(10 / math.log(10), y), shape=shape)
    y = e.emit("Sub", y, e.scalar(10 * math.log10(max(abs(float(layer.ref_power)), lowest)), y), shape=shape)
    loudest = e.reduce("ReduceMax", y, None, keepdims=False)
    return e.emit("Max", y, e.emit("Sub", loudest, e.scalar(float(layer.top_db), y), shape=()), shape=shape)


def fourier(size: int, length: int, window: Any, dtype: str) -> tuple[Array, Array]:
    """Cosines and sines of a real Fourier transform times a window, shapes (size // 2 + 1, size)."""
    tf = require("tensorflow")
    shape = np.ones(size)
    if window is not None:
        named = {"hann": tf.signal.hann_window, "hamming": tf.signal.hamming_window}
        short = (
            named[window](length, periodic=True, dtype=tf.as_dtype(dtype)).numpy()
            if isinstance(window, str)
            else window
        )
        left = (size - length) // 2
        shape = np.pad(np.asarray(short, np.float64), (left, size - length - left))
    angle = 2 * np.pi / size * (np.outer(np.arange(size // 2 + 1), np.arange(size)) % size)
    return np.cos(angle) * shape, -np.sin(angle) * shape
