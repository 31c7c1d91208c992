"""Fourier transforms, windows and filter banks. Complex numbers are pairs on the last axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, torch_dtype
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.window_functions import WINDOWS

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def fourier(x: Tensor, *, length: int | None, dim: int, inverse: bool, onesided: bool) -> Tensor:
    """Discrete Fourier transform of pairs (or real numbers) along an axis, cut or filled up with zeros to ``length``."""
    if x.shape[-1] == 1:
        values = torch.complex(x[..., 0], torch.zeros_like(x[..., 0]))
    else:
        values = torch.view_as_complex(x.contiguous())
    if inverse and onesided:
        return torch.fft.irfft(values, length, dim).unsqueeze(-1).to(x.dtype)
    if inverse:
        return torch.view_as_real(torch.fft.ifft(values, length, dim)).to(x.dtype)
    result = torch.fft.fft(values, length, dim)
    if onesided:
        result = result.narrow(dim, 0, result.shape[dim] // 2 + 1)
    return torch.view_as_real(result.resolve_conj()).to(x.dtype)


def _transform(
    ctx: TorchImporter, x: Value, dft_length: Value | None, axis: int, inverse: int, onesided: int
) -> LaidOut:
    length = None if dft_length is None else int(ctx.known(dft_length, "length").reshape(()))
    options = {"length": length, "dim": axis % x.rank, "inverse": bool(inverse), "onesided": bool(onesided)}
    return call(ctx, fourier, x, rank=x.rank, **options)


@converter("DFT", since=17)
def DFT_17(
    ctx: TorchImporter,
    input: Value,
    dft_length: Value | None = None,
    *,
    axis: int = 1,
    inverse: int = 0,
    onesided: int = 0,
) -> LaidOut:
    """``torch.fft``."""
    return _transform(ctx, input, dft_length, axis, inverse, onesided)


@converter("DFT", since=20)
def DFT(
    ctx: TorchImporter,
    input: Value,
    dft_length: Value | None = None,
    axis: Value | None = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> LaidOut:
    """``torch.fft``."""
    along = -2 if axis is None else int(ctx.known(axis, "axis").reshape(()))
    return _transform(ctx, input, dft_length, along, inverse, onesided)


def short_time_fourier(x: Tensor, window: Tensor | None, *, step: int, length: int | None, onesided: bool) -> Tensor:
    """Transforms of windowed frames: signal ``(batch, length, 1 or 2)``, result ``(batch, frames, bins, 2)``."""
    length = length or (window.shape[0] if window is not None else x.shape[1])
    frames = x.unfold(1, length, step).transpose(2, 3)
    if window is not None:
        frames = frames * window[:, None]
    return fourier(frames, length=None, dim=2, inverse=False, onesided=onesided)


@converter("STFT", since=17)
def STFT(
    ctx: TorchImporter,
    signal: Value,
    frame_step: Value,
    window: Value | None = None,
    frame_length: Value | None = None,
    *,
    onesided: int = 1,
) -> LaidOut:
    """``torch.fft`` of frames."""
    step = int(ctx.known(frame_step, "step").reshape(()))
    length = None if frame_length is None else int(ctx.known(frame_length, "length").reshape(()))
    options = {"step": step, "length": length, "onesided": bool(onesided)}
    return call(ctx, short_time_fourier, signal, window, rank=4, **options)


def window_of(size: Tensor, *, weights: tuple[float, ...], periodic: bool, dtype: torch.dtype) -> Tensor:
    """A window that is a sum of cosines, as long as ``size`` says."""
    turns = torch.arange(int(size), dtype=torch.float64, device=size.device) * (2 * torch.pi)
    turns = turns / (size.double() if periodic else size.double() - 1)
    a, b, c = weights
    return (a - b * torch.cos(turns) + c * torch.cos(2 * turns)).to(dtype)


def _window(name: str) -> None:
    def convert(ctx: TorchImporter, size: Value, *, output_datatype: int = 1, periodic: int = 1) -> LaidOut:
        dtype = torch_dtype(ctx, output_datatype)
        return call(ctx, window_of, size, rank=1, weights=WINDOWS[name], periodic=bool(periodic), dtype=dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = "A sum of cosines."
    converter(name, since=17)(convert)


for _name in WINDOWS:
    _window(_name)


def mel_weights(
    bins: Tensor, length: Tensor, rate: Tensor, lowest: Tensor, highest: Tensor, *, dtype: torch.dtype
) -> Tensor:
    """Triangular filters ``(frequencies, bins)`` whose corners are spread evenly over the mel scale."""
    count, frequencies = int(bins), int(length) // 2 + 1
    low, high = (2595 * torch.log1p(edge.double().reshape(()) / 700) / math.log(10) for edge in (lowest, highest))
    corners = low + torch.arange(count + 2, device=bins.device) * ((high - low) / (count + 2))
    hertz = 700 * torch.expm1(corners / 2595 * math.log(10))
    at = torch.div((length.double().reshape(()) + 1) * hertz, rate.double().reshape(()), rounding_mode="floor")
    left, middle, right = at[:-2], at[1:-1], at[2:]
    frequency = torch.arange(frequencies, device=bins.device)[:, None]
    rising, falling = middle - left, right - middle
    up = torch.where(rising > 0, (frequency - left) / rising.clamp(min=1), 1.0)
    down = (right - frequency) / falling.clamp(min=1)
    inside = torch.where((frequency >= left) & (frequency <= middle), up, 0.0)
    return torch.where((frequency >= middle) & (frequency < right), down, inside).to(dtype)


@converter("MelWeightMatrix", since=17)
def MelWeightMatrix(
    ctx: TorchImporter,
    num_mel_bins: Value,
    dft_length: Value,
    sample_rate: Value,
    lower_edge_hertz: Value,
    upper_edge_hertz: Value,
    *,
    output_datatype: int = 1,
) -> LaidOut:
    """Its arithmetic, as a function."""
    inputs = (num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz)
    return call(ctx, mel_weights, *inputs, rank=2, dtype=torch_dtype(ctx, output_datatype))
