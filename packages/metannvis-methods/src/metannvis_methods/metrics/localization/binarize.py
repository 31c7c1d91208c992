"""Binarisation of maps: which places count."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra

__all__ = ["THRESHOLDS", "binarized", "intersection_over_union", "strongest"]

Array = np.ndarray[Any, Any]
THRESHOLDS = ("quantile", "otsu", "mean")


def binarized(maps: Array, threshold: str = "quantile", quantile: float = 0.9) -> Array:
    """Places of each map that lie above its threshold, booleans of the same shape; nowhere in a constant map.

    Parameters
    ----------
    maps
        Shape ``(N, places…)``.
    threshold
        ``"quantile"``, Otsu's (``"otsu"``), or the ``"mean"``.
    quantile
        Share of places that lie below it, in 0…1.

    Raises
    ------
    InvalidArgumentError
        There is no such threshold.
    MissingFrameworkError
        Otsu's needs scikit-image, which is not installed.
    """
    if threshold not in THRESHOLDS:
        raise InvalidArgumentError(f"threshold is one of {', '.join(THRESHOLDS)}, not {threshold!r}")
    if isinstance(quantile, bool) or not isinstance(quantile, (int, float, np.number)) or not 0 <= quantile <= 1:
        raise InvalidArgumentError(f"quantile is a number in 0…1, not {quantile!r}")
    found = np.zeros(maps.shape, bool)
    for one, chosen in zip(maps, found, strict=True):
        if one.size == 0 or one.min() == one.max():
            continue
        if threshold == "quantile":
            limit = np.quantile(one, quantile)
            # where the quantile is the smallest value, as in a map that is zero almost everywhere, all would reach it
            chosen[...] = one >= limit if limit > one.min() else one > limit
        elif threshold == "otsu":
            chosen[...] = one > require_extra("skimage.filters", "images", "scikit-image").threshold_otsu(one)
        else:
            chosen[...] = one > one.mean()
    return found


def intersection_over_union(first: Array, second: Array) -> Array:
    """|first ∧ second| / |first ∨ second| of booleans of shape ``(N, places…)``, shape ``(N,)``; two empty ones agree."""
    places = tuple(range(1, first.ndim))
    both, either = (first & second).sum(places), (first | second).sum(places)
    found: Array = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    return found


def strongest(maps: Array, counts: Array) -> Array:
    """The places with the largest values of each map, booleans of the same shape; of equal ones the first.

    Parameters
    ----------
    maps
        Shape ``(N, places…)``.
    counts
        How many of each, shape ``(N,)``.
    """
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    found = np.zeros(flat.shape, bool)
    for row, count, chosen in zip(order, counts, found, strict=True):
        chosen[row[: int(count)]] = True
    return found.reshape(maps.shape)
