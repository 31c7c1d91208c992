"""Rows of Fourier transforms and of window functions."""

from __future__ import annotations

import numpy as np

from .arrays import Array, ints, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _rfft(x: Array) -> Array:
    return _pairs(np.fft.rfft(x[..., 0], 6, axis=1))


def _pairs(y: Array) -> Array:
    return np.stack([y.real, y.imag], -1)


def _stft(x: Array, window: Array) -> Array:
    frames = np.stack([x[:, k : k + 6, 0] for k in range(0, 13 - 6 + 1, 3)], 1) * window
    return _pairs(np.fft.rfft(frames, axis=-1))


#: What the cosines of 0, 1 and 2 turns weigh, as the standard has it.
_WINDOWS = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}


def _window(size: int, weights: tuple[float, float, float], periodic: int) -> Array:
    turn = 2 * np.pi * np.arange(size) / (size if periodic else size - 1)
    return weights[0] - weights[1] * np.cos(turn) + weights[2] * np.cos(2 * turn)


CASES: list[Case] = [
    Case("DFT", (uniform(2, 8, 3, 1), np.array(6)), {"axis": 1, "onesided": 1}, 17, formula=lambda x, n: _rfft(x)),
    Case("DFT", (uniform(2, 4, 5, 2), None, np.array(2)), {"inverse": 1}, 20, tag="inverse", formula=lambda x, a: _pairs(np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=2))),
    Case("DFT", (uniform(2, 4, 2), np.array(7), np.array(1)), {"inverse": 1, "onesided": 1}, 20, tag="real", formula=lambda x, n, a: np.fft.irfft(x[..., 0] + 1j * x[..., 1], 7, axis=1)[..., None]),
    Case("STFT", (uniform(2, 13, 1), np.array(3), positive(6)), {}, 17, formula=lambda x, s, w: _stft(x, w)),
    Case("HannWindow", (np.array(7),), {}, 17, batch_is_free=False),
    Case("HammingWindow", (np.array(7),), {"periodic": 0}, 17, batch_is_free=False),
    Case("BlackmanWindow", (np.array(8),), {}, 17, batch_is_free=False),
    *(
        Case(name, (np.array(size),), {"periodic": periodic, "output_datatype": 11}, 17, tag=f"{size}-{periodic}", batch_is_free=False, formula=lambda n, w=weights, p=periodic: _window(int(n), w, p))
        for name, weights in _WINDOWS.items()
        for size, periodic in ((2, 1), (6, 1), (7, 0))
    ),
    *(
        Case("MelWeightMatrix", (*ints(bins, length, rate), low, high), {}, 17, 5, keep=(3, 4), tag=f"{bins}", batch_is_free=False)
        for bins, length, rate, low, high in ((8, 16, 8192, np.float32(0), np.float32(4096)), (20, 512, 16000, np.float32(20), np.float32(7600)))
    ),
]  # fmt: skip
