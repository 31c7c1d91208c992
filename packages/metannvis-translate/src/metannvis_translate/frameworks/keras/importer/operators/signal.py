"""Fourier transforms, windows and filter banks. Complex numbers are pairs on the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.window_functions import WINDOWS

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("DFT", since=17)
def DFT_17(
    ctx: KerasImporter,
    input: Value,
    dft_length: Value | None = None,
    *,
    axis: int = 1,
    inverse: int = 0,
    onesided: int = 0,
) -> LaidOut:
    return fourier(ctx, input, dft_length, axis, inverse, onesided)


@converter("DFT", since=20)
def DFT(
    ctx: KerasImporter,
    input: Value,
    dft_length: Value | None = None,
    axis: Value | None = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> LaidOut:
    return fourier(ctx, input, dft_length, -2 if axis is None else int(ctx.known(axis, "axis")), inverse, onesided)


def fourier(
    ctx: KerasImporter, value: Value, dft_length: Value | None, axis: int, inverse: int, onesided: int
) -> LaidOut:
    """Discrete Fourier transform along an axis, which is cut or filled up with zeros to the transform's length."""
    x = ctx.plain(value)
    where = axis % x.rank
    parts = x.tensor.shape[-1]
    real = ops.moveaxis(x.tensor[..., 0], where, -1)
    imaginary = ops.moveaxis(x.tensor[..., 1], where, -1) if parts == 2 else None
    have = real.shape[-1]
    if have is None:
        ctx.refuse("the length of its signal is free")
    halved = bool(inverse and onesided)
    length = 2 * (have - 1) if halved else have
    if dft_length is not None:
        length = int(ctx.known(dft_length, "length"))
    kept = length // 2 + 1 if halved else length
    real, imaginary = fitted(real, kept), None if imaginary is None else fitted(imaginary, kept)
    if imaginary is None and not inverse:  # the other half of a real signal's frequencies are the conjugates
        real, imaginary = ops.rfft(real)
        if not onesided:
            real, imaginary = mirrored(real, imaginary, length)
    else:
        if imaginary is None:
            imaginary = ops.zeros_like(real)
        if halved:
            edge = np.ones(kept, ctx.compute)
            edge[0] = 0  # numpy.fft.irfft takes the first, and for even lengths the last, for real
            if length % 2 == 0:
                edge[-1] = 0
            real, imaginary = mirrored(real, ops.multiply(imaginary, edge), length)
        if inverse:
            real, imaginary = ctx.operator_layer(keras_objects.InverseFourier, real, imaginary)
        else:
            real, imaginary = ops.fft((real, imaginary))
        if onesided and not inverse:
            real, imaginary = real[..., : length // 2 + 1], imaginary[..., : length // 2 + 1]
    found = [real] if halved else [real, imaginary]
    return LaidOut(ops.stack([ops.moveaxis(part, -1, where) for part in found], axis=-1), identity(x.rank))


def mirrored(real: Any, imaginary: Any, length: int) -> tuple[Any, Any]:
    """All frequencies from the first half of them."""
    tail = slice(1, length - length // 2)
    return (
        ops.concatenate([real, ops.flip(real[..., tail], axis=-1)], axis=-1),
        ops.concatenate([imaginary, ops.negative(ops.flip(imaginary[..., tail], axis=-1))], axis=-1),
    )


def fitted(tensor: Any, length: int) -> Any:
    """The first ``length`` elements along the last axis, zeros beyond its end."""
    have = tensor.shape[-1]
    if have >= length:
        return tensor if have == length else tensor[..., :length]
    return ops.pad(tensor, [(0, 0)] * (len(tensor.shape) - 1) + [(0, length - have)])


@converter("STFT", since=17)
def STFT(
    ctx: KerasImporter,
    signal: Value,
    frame_step: Value,
    window: Value | None = None,
    frame_length: Value | None = None,
    *,
    onesided: int = 1,
) -> LaidOut:
    """Fourier transforms of windowed frames: signal ``(batch, length, 1 or 2)``, result ``(batch, frames, bins, 2)``."""
    x = ctx.plain(signal)
    step, samples = int(ctx.known(frame_step, "step")), x.tensor.shape[1]
    weights = None if window is None else ctx.plain(window).tensor
    length = weights.shape[0] if weights is not None and frame_length is None else samples
    if frame_length is not None:
        length = int(ctx.known(frame_length, "length"))
    if samples is None or length is None:
        ctx.refuse("the length of its signal or window is free")
    if weights is not None and weights.shape[0] != length:
        ctx.refuse("its window has another length than its frames")
    starts = np.arange((samples - length) // step + 1) * step
    frames = ops.take(
        x.tensor, (starts[:, None] + np.arange(length)).tolist(), axis=1
    )  # (batch, frames, length, parts)
    if weights is not None:
        frames = ops.multiply(frames, ops.expand_dims(weights, -1))
    return fourier(ctx, LaidOut(frames, identity(4)), None, 2, 0, onesided)


def _window(name: str) -> None:
    def convert(ctx: KerasImporter, size: Value, *, output_datatype: int = 1, periodic: int = 1) -> LaidOut:
        options = {"parts": list(WINDOWS[name]), "periodic": bool(periodic), "to": ctx.dtype_named(output_datatype)}
        return LaidOut(ctx.operator_layer(keras_objects.Window, ctx.plain(size).tensor, **options), (0,))

    convert.__name__ = convert.__qualname__ = name
    converter(name, since=17)(convert)


for _name in WINDOWS:
    _window(_name)


@converter("MelWeightMatrix", since=17)
def MelWeightMatrix(
    ctx: KerasImporter,
    num_mel_bins: Value,
    dft_length: Value,
    sample_rate: Value,
    lower_edge_hertz: Value,
    upper_edge_hertz: Value,
    *,
    output_datatype: int = 1,
) -> LaidOut:
    inputs = (num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz)
    tensors = [ctx.plain(value).tensor for value in inputs]
    return LaidOut(
        ctx.operator_layer(keras_objects.MelWeights, *tensors, to=ctx.dtype_named(output_datatype)), identity(2)
    )
