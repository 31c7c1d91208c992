"""Rows of pools over windows and whole images, and of their inverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import BYTES, IMAGE, VOLUME, Array, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int], fill: float
) -> Array:
    """All windows of a padded image, shape (N, C, *out, taps)."""
    n = len(kernel)
    x = np.pad(x, [(0, 0), (0, 0), *((pads[k], pads[k + n]) for k in range(n))], constant_values=fill)
    rows = zip(x.shape[2:], kernel, strides, dilations, strict=True)
    out = [(size - (k - 1) * d - 1) // s + 1 for size, k, s, d in rows]
    parts = []
    for tap in np.ndindex(*kernel):
        cut = zip(tap, dilations, strides, out, strict=True)
        parts.append(x[(..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in cut))])
    return np.stack(parts, axis=-1)


def _unpooled(x: Array, index: Array) -> Array:
    result = np.zeros(x.shape[0] * x.shape[1] * 16)
    result[index.ravel()] = x.ravel()
    return result.reshape(*x.shape[:2], 4, 4)


_CELLS = np.arange(2 * 3 * 4).reshape(2, 3, 2, 2) * 4 + np.array([[0, 3], [1, 2]])


def _lp_pool(x: Any, p: int, kh: int, kw: int, sh: int, sw: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(x) ** p, (kh, kw), axis=(2, 3))[:, :, ::sh, ::sw]
    return windows.sum((-1, -2)) ** (1 / p)


CASES: list[Case] = [
    *(
        Case(operator, (images,), attributes, 12, tag=tag)
        for operator in ("MaxPool", "AveragePool")
        for images, attributes, tag in (
            (IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2]}, ""),
            (IMAGE, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, "padded"),
            (IMAGE, {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [0, 1, 1, 0]}, "asymmetric"),
            (IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, "ceil"),
            (IMAGE, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}, "ceil-padded"),
            (IMAGE, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, "same"),
            (uniform(2, 4, 9), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}, "1d"),
            (uniform(2, 2, 5, 6, 7), {"kernel_shape": [2, 3, 2], "strides": [2, 2, 1]}, "3d"),
        )
    ),
    Case("MaxPool", (IMAGE - 5,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 12, tag="negative"),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 3]}, 12, tag="dilated"),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]}, 12, outputs=2, tag="indices"),
    Case("MaxPool", (BYTES,), {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1]}, 12, tag="bytes", formula=lambda x: _windows(x, (3, 2), (1, 1), (1, 1), (1, 0, 0, 1), 0).max(-1)),
    Case("MaxPool", (VOLUME,), {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2], "ceil_mode": 1, "pads": [0, 0, 0, 1, 0, 1]}, 12, tag="3d-ceil-uneven", batch_is_free=False),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}, 12, tag="behind"),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, 12, tag="same-lower"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 12, tag="counted"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 1]}, 19, tag="dilated", formula=lambda x: _windows(x, (3, 2), (1, 1), (2, 1), (0,) * 4, 0).mean(-1)),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, 12, tag="same-lower"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "pads": [0, 1, 1, 0], "count_include_pad": 1}, 12, tag="uneven-counted"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 3], "strides": [1, 2]}, 19, tag="dilated"),
    Case("GlobalAveragePool", (IMAGE,), {}, 13),
    Case("GlobalAveragePool", (uniform(2, 4, 9),), {}, 13, tag="1d"),
    Case("GlobalMaxPool", (IMAGE,), {}, 13),
    Case("GlobalMaxPool", (uniform(2, 2, 4, 5, 6),), {}, 13, tag="3d", formula=lambda x: x.max(axis=(2, 3, 4), keepdims=True)),
    Case("LpPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]}, 18, formula=lambda x: np.sqrt((_windows(x, (3, 2), (2, 1), (1, 2), (1, 0, 0, 1), 0) ** 2).sum(-1))),
    Case("LpPool", (positive(2, 3, 9),), {"kernel_shape": [3], "p": 3}, 18, tag="3", formula=lambda x: (_windows(x, (3,), (1,), (1,), (0, 0), 0) ** 3).sum(-1) ** (1 / 3)),
    Case("LpPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "p": 3}, 18, formula=lambda x: _lp_pool(x, 3, 3, 2, 2, 1)),
    Case("GlobalLpPool", (IMAGE,), {}, 13, formula=lambda x: np.sqrt((x**2).sum((2, 3), keepdims=True))),
    Case("GlobalLpPool", (IMAGE,), {"p": 3}, 9, formula=lambda x: (np.abs(x) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)),
    Case("MaxUnpool", (uniform(2, 3, 2, 2), _CELLS), {"kernel_shape": [2, 2], "strides": [2, 2]}, 11, 2, batch_is_free=False, formula=_unpooled),
]  # fmt: skip
