"""Maps: arrays along whose axes of space something continuous lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["SPACE", "end_points", "resized"]

Array = np.ndarray[Any, Any]

#: Letters of axes along which a map is an image of something continuous.
SPACE = "LHWD"


def resized(array: Array, sizes: Sequence[int]) -> Array:
    """Linear interpolation along every axis to a size for each, first and last values kept (corners aligned)."""
    for axis, size in enumerate(sizes):
        old = array.shape[axis]
        if old == size:
            continue
        places = np.linspace(0, old - 1, size)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (places - low).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
        array = array.take(low, axis) * (1 - share) + array.take(high, axis) * share
    return array


def end_points(array: Array) -> Array:
    """Each sample, axis 0, brought to 0…1 by its smallest and its largest value; one that is the same everywhere is 0."""
    rest = tuple(range(1, array.ndim))
    low, high = array.min(rest, keepdims=True), array.max(rest, keepdims=True)
    size = high - low
    scaled: Array = (array - low) / np.where(size > 0, size, 1)
    return scaled
