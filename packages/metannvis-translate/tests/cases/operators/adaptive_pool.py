"""Rows of pools over windows that follow from the size asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .arrays import IMAGE, Array, uniform
from .case import Case

__all__ = ["CASES"]


def _adaptive(x: Array, counts: list[int], reduce: Callable[..., Array]) -> Array:
    """Windows as PyTorch's documentation has them, from floor(k · size / count) to ceil((k + 1) · size / count)."""
    for axis, count in enumerate(counts, 2):
        size = x.shape[axis]
        ends = [(math.floor(k * size / count), math.ceil((k + 1) * size / count)) for k in range(count)]
        x = np.stack([reduce(x.take(range(*window), axis), axis=axis) for window in ends], axis=axis)
    return x


CASES: list[Case] = [
    *(
        Case(
            f"Adaptive{name}Pool", (image,), {"output_size": size}, 20, tag=tag, domain="metannvis",
            formula=lambda x, size=size, reduce=reduce: _adaptive(x, size, reduce),
        )
        for name, reduce in (("Average", np.mean), ("Max", np.max))
        for tag, image, size in (
            ("one", IMAGE, [1, 1]), ("divides", uniform(2, 3, 6, 8), [3, 2]), ("overlaps", IMAGE, [4, 5]), ("grows", uniform(2, 3, 2, 3), [5, 3]),
            ("1d", uniform(2, 3, 7), [3]), ("3d", uniform(2, 2, 4, 5, 6), [2, 3, 4]), ("ties", np.rint(IMAGE), [4, 5]),
        )
    ),
]  # fmt: skip
