"""ROAD: remove and debias, where a removed place is what its neighbours make of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra
from metannvis_methods.metrics.faithfulness.removal import order_of
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["imputed", "road_least", "road_most"]

Array = np.ndarray[Any, Any]


def road_most(call: MetricCall, **options: Any) -> MetricOutput:
    """Mean over the shares of what is left of the output when the strongest places are gone."""
    return _road(call, call.maps(), **options)


def road_least(call: MetricCall, **options: Any) -> MetricOutput:
    """The same when the weakest places are gone."""
    return _road(call, -call.maps(), **options)


def _road(call: MetricCall, maps: Array, *, percentages: Sequence[float], noise: float, outcome: str) -> MetricOutput:
    shares = [float(share) for share in percentages]
    if not shares or not all(0 < share <= 100 for share in shares):
        raise InvalidArgumentError(f"ROAD: percentages are numbers above 0 and up to 100, not {percentages!r}")
    ranks = order_of(maps)
    units = maps[0].size
    draws = np.asarray(call.generator.standard_normal(call.inputs.shape))  # before anything is cut into pieces
    curves = np.empty((call.samples, len(shares)))
    for place, share in enumerate(shares):
        gone = ranks < int(units * share / 100)
        for start in range(0, call.samples, call.batch_size):
            which = np.arange(start, min(start + call.batch_size, call.samples))
            rows = np.stack([imputed(call.inputs[k], gone[k], noise * draws[k]) for k in which])
            if outcome == "accuracy":
                curves[which, place] = call.scores.hits(rows, which)
            else:
                curves[which, place] = call.scores(rows, which, probabilities=True)
    return MetricOutput(curves.mean(1), curves, tuple(shares))


def imputed(image: Array, gone: Array, noise: Any = 0.0) -> Array:
    """An input whose places are the weighted mean of their neighbours where they are gone.

    A direct neighbour weighs twice as much as a diagonal one (1/6 and 1/12 in an image), and at the border those that there are
    count. All places that are gone are solved for at once, channel by channel.

    Parameters
    ----------
    image
        Shape ``(places…, C)``.
    gone
        Shape ``(places…)``, booleans.
    noise
        Added there, like the image.

    Raises
    ------
    MissingFrameworkError
        SciPy is not installed.
    """
    sparse = require_extra("scipy.sparse", "images", "SciPy")
    solve = require_extra("scipy.sparse.linalg", "images", "SciPy").spsolve
    if not gone.any():
        return image
    if gone.all():  # nothing is left that the others could be made of
        return np.asarray(
            image.mean(tuple(range(gone.ndim)), keepdims=True) + np.zeros_like(image) + noise, image.dtype
        )
    numbers = np.full(gone.shape, -1)
    numbers[gone] = np.arange(int(gone.sum()))
    places = np.argwhere(gone)
    count = len(places)
    total, known = np.zeros(count), np.zeros((count, image.shape[-1]))
    rows, columns, weights = [], [], []
    for offset in itertools.product((-1, 0, 1), repeat=gone.ndim):
        axes = sum(map(abs, offset))
        if axes == 0 or axes > 2:
            continue
        weight = 2.0 if axes == 1 else 1.0
        there = places + np.array(offset)
        inside = ((there >= 0) & (there < gone.shape)).all(1)
        at = tuple(there[inside].T)
        mine = np.flatnonzero(inside)
        total[mine] += weight
        number = numbers[at]
        free = number >= 0
        rows.append(mine[free])
        columns.append(number[free])
        weights.append(np.full(int(free.sum()), -weight))
        known[mine[~free]] += weight * image[at][~free]
    rows, columns = [*rows, np.arange(count)], [*columns, np.arange(count)]
    matrix = sparse.csc_matrix(
        (np.concatenate([*weights, total]), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    )
    found = image.astype(np.float64)
    found[gone] = np.asarray(solve(matrix, known)).reshape(count, -1)
    found[gone] += np.broadcast_to(noise, image.shape)[gone]
    return found.astype(image.dtype)
