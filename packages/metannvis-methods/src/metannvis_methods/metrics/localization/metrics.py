"""Localization metrics: mass and rank accuracy, pointing game, intersections with the object.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.localization.binarize import binarized, intersection_over_union, strongest
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["iou", "mass_accuracy", "pointing_game", "rank_accuracy", "top_k_intersection"]

Array = np.ndarray[Any, Any]
#: Side of the images that the tolerance of the pointing game was chosen for.
SIDE = 224


def mass_accuracy(call: MetricCall, *, sign: str) -> MetricOutput:
    """Σ inside / Σ; 0 of a map that is zero everywhere."""
    maps, mask = call.maps(sign).reshape(call.samples, -1), _mask(call).reshape(call.samples, -1)
    total = maps.sum(1)
    return _scored(call, np.divide((maps * mask).sum(1), total, out=np.zeros_like(total), where=total != 0))


def rank_accuracy(call: MetricCall, *, sign: str) -> MetricOutput:
    """|the K strongest ∧ S| / K, where K = |S|."""
    mask = _mask(call)
    counts = mask.reshape(call.samples, -1).sum(1)
    return _scored(call, _shared(strongest(call.maps(sign), counts), mask) / np.maximum(counts, 1))


def top_k_intersection(call: MetricCall, *, k: int | float, sign: str) -> MetricOutput:
    """|the k strongest ∧ S| / k."""
    maps = call.maps(sign)
    size = maps[0].size
    if isinstance(k, bool) or not k > 0 or (k >= 1 and int(k) != k):
        raise InvalidArgumentError(
            f"top_k_intersection: k is a number of places, or a share of them below 1, not {k!r}"
        )
    count = min(int(k) if k >= 1 else max(1, round(k * size)), size)
    return _scored(call, _shared(strongest(maps, np.full(len(maps), count)), _mask(call)) / count)


def pointing_game(call: MetricCall, *, tolerance: float | None, sign: str) -> MetricOutput:
    """Whether the largest value lies in the object, or that near it; of several largest the share that does."""
    maps, mask = call.maps(sign), _mask(call)
    reach = 15 * max(call.places) / SIDE if tolerance is None else float(tolerance)
    found = np.zeros(len(maps))
    for sample, (one, inside) in enumerate(zip(maps, mask, strict=True)):
        peaks = np.argwhere(one == one.max())
        here = np.array([inside[tuple(peak)] for peak in peaks])
        if not inside.any():
            continue
        if reach > 0 and not here.all():
            object_ = np.argwhere(inside)
            away = np.array([np.sqrt(((object_ - peak) ** 2).sum(1)).min() for peak in peaks[~here]])
            here[~here] = away <= reach
        found[sample] = here.mean()
    return _scored(call, found)


def iou(call: MetricCall, *, threshold: str, quantile: float, sign: str) -> MetricOutput:
    """Intersection over union of the binarised map and the object."""
    return _scored(call, intersection_over_union(binarized(call.maps(sign), threshold, quantile), _mask(call)))


def _mask(call: MetricCall) -> Array:
    mask = call.mask
    if mask is None:
        raise InvalidArgumentError("a metric of localization needs masks=…")
    if not mask.any():
        raise InvalidArgumentError("the masks are empty: there is nothing to find")
    return mask


def _scored(call: MetricCall, scores: Array) -> MetricOutput:
    """Scores, none of samples without an object."""
    there = _mask(call).reshape(call.samples, -1).any(1)
    empty = ", ".join(map(str, np.flatnonzero(~there)))
    notes = (f"there is no object in sample {empty}, and no score",) if empty else ()
    return MetricOutput(np.where(there, scores, np.nan), notes=notes)


def _shared(first: Array, second: Array) -> Array:
    return np.asarray((first & second).reshape(len(first), -1).sum(1), np.float64)
