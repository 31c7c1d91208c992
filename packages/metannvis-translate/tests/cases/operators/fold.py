"""Rows of windows that are added up to an image."""

from __future__ import annotations

import numpy as np

from .arrays import Array, ints, uniform
from .case import Case

__all__ = ["CASES"]


def _folded(x: Array) -> Array:
    """Blocks of 2 x 3, stride (2, 1), dilation (1, 2), into 6 x 7 with one column of padding before."""
    canvas = np.zeros((x.shape[0], x.shape[1] // 6, 6, 8))
    parts = x.reshape(x.shape[0], -1, 2, 3, 3, 4)
    for u, v, i, j in np.ndindex(2, 3, 3, 4):
        canvas[:, :, 2 * i + u, j + 2 * v] += parts[:, :, u, v, i, j]
    return canvas[..., 1:]


CASES: list[Case] = [
    Case("Col2Im", (uniform(2, 12, 12), ints(6, 7), ints(2, 3)), {"strides": [2, 1], "dilations": [1, 2], "pads": [0, 1, 0, 0]}, 18, formula=lambda x, *_: _folded(x)),
]  # fmt: skip
