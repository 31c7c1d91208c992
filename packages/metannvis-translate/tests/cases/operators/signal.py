"""Rows of Fourier transforms and of window functions."""

from __future__ import annotations

import numpy as np

from .arrays import Array, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _rfft(x: Array) -> Array:
    return _pairs(np.fft.rfft(x[..., 0], 6, axis=1))


def _pairs(y: Array) -> Array:
    return np.stack([y.real, y.imag], -1)


def _stft(x: Array, window: Array) -> Array:
    frames = np.stack([x[:, k : k + 6, 0] for k in range(0, 13 - 6 + 1, 3)], 1) * window
    return _pairs(np.fft.rfft(frames, axis=-1))


CASES: list[Case] = [
    Case("DFT", (uniform(2, 8, 3, 1), np.array(6)), {"axis": 1, "onesided": 1}, 17, formula=lambda x, n: _rfft(x)),
    Case("DFT", (uniform(2, 4, 5, 2), None, np.array(2)), {"inverse": 1}, 20, tag="inverse", formula=lambda x, a: _pairs(np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=2))),
    Case("DFT", (uniform(2, 4, 2), np.array(7), np.array(1)), {"inverse": 1, "onesided": 1}, 20, tag="real", formula=lambda x, n, a: np.fft.irfft(x[..., 0] + 1j * x[..., 1], 7, axis=1)[..., None]),
    Case("STFT", (uniform(2, 13, 1), np.array(3), positive(6)), {}, 17, formula=lambda x, s, w: _stft(x, w)),
    Case("HannWindow", (np.array(7),), {}, 17, batch_is_free=False),
    Case("HammingWindow", (np.array(7),), {"periodic": 0}, 17, batch_is_free=False),
    Case("BlackmanWindow", (np.array(8),), {}, 17, batch_is_free=False),
]  # fmt: skip
