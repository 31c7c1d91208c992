"""Maps of explanations: a number for each place of an image, and how much of it lies where."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.explanation import Explanation

__all__ = ["as_maps", "enlarged", "peak_inside", "share_inside"]

Array = np.ndarray[Any, Any]


def as_maps(explanation: Explanation) -> Array:
    """Magnitudes of an explanation of images, summed over channels: shape ``(N, h, w)``, float64, not below zero.

    Raises
    ------
    InvalidArgumentError
        Its values are no maps.
    """
    values, axes = explanation.values, explanation.axes
    if not isinstance(values, np.ndarray) or not isinstance(axes, str) or axes.replace("C", "") != "NHW":
        raise InvalidArgumentError(f"{explanation} is no map of images")
    magnitudes = np.abs(values.astype(np.float64))
    maps: Array = magnitudes.sum(axes.index("C")) if "C" in axes else magnitudes
    return maps


def enlarged(maps: Array, side: int) -> Array:
    """Maps as large as the image, each pixel repeated: shape ``(N, side, side)``."""
    rows, columns = (np.arange(side) * size // side for size in maps.shape[1:])
    large: Array = maps[:, rows][:, :, columns]
    return large


def share_inside(maps: Array, region: Array) -> Array:
    """Share of each map, shape ``(N, h, w)``, that lies in a region, shape ``(S, S)`` or ``(N, S, S)``: ``(N,)``.

    NaN for a map that is all zero: it lies nowhere.
    """
    large = enlarged(maps, region.shape[-1])
    total = large.sum((1, 2))
    inside = (large * region).sum((1, 2))
    return np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0)


def peak_inside(maps: Array, region: Array) -> Array:
    """Whether the largest value of each map lies in the region (pointing game): ``(N,)``, 0 or 1; of several equal ones, the share."""
    large = enlarged(maps, region.shape[-1])
    peaks = (large == large.max((1, 2), keepdims=True)) & (large > 0)
    number = peaks.sum((1, 2))
    return np.divide((peaks * region).sum((1, 2)), number, out=np.zeros(len(maps)), where=number > 0)
