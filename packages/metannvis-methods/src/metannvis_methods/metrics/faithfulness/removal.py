"""Removal of places: the outputs along a row of steps, each of which has more places replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.inputs.baselines import baseline
from metannvis_methods.metrics.faithfulness.rows import WORDS
from metannvis_methods.metrics.joined import JoinedLayout
from metannvis_methods.metrics.spec import MetricCall

__all__ = ["along", "area", "counts_of", "filled", "order_of"]

Array = np.ndarray[Any, Any]
#: Standard deviation and reach in pixels of the blur from which insertion starts, of images of up to that side; in proportion
#: of larger ones. Of smaller ones they stay: a blur in proportion would take nothing away.
SIGMA, REACH, SIDE = 5.0, 5, 224


def order_of(values: Array) -> Array:
    """For each sample, which place of the order each unit has, the largest value first: shape of the values, 0 the first.

    Parameters
    ----------
    values
        Shape ``(N, …)``; of equal ones the first comes first.
    """
    flat = values.reshape(len(values), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty(flat.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    return ranks.reshape(values.shape)


def counts_of(steps: int, units: int) -> Array:
    """How many units are replaced after each step, from none to all, in about so many steps; whole numbers, ascending.

    Raises
    ------
    InvalidArgumentError
        ``steps`` is no whole number above 0.
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise InvalidArgumentError(f"steps is a whole number of at least 1, not {steps!r}")
    return np.unique(np.round(np.linspace(0, units, min(int(steps), units) + 1)).astype(np.int64))


def filled(call: MetricCall, fill: Any) -> Array:
    """What stands where a place was, shape of the inputs ``(N, places…, C)``.

    Parameters
    ----------
    fill
        A number; an array like the caller's inputs, or of one sample of them; or a word: ``"blur"`` (0 of tables, which have
        nothing to blur), ``"mean"`` of each channel of a sample, ``"black"`` and ``"white"``, ends of ``value_range`` if the
        explanation was given one, else the smallest and the largest number of the sample, ``"uniform"`` between them,
        ``"noise"`` with the mean and the standard deviation of each channel. Where several inputs are measured together, one of
        these for all, or a tuple of one an input.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        It is none of these, or does not lie like the inputs.
    """
    layout = call.layout
    if isinstance(layout, JoinedLayout):
        fills = fill if isinstance(fill, (tuple, list)) else (fill,) * len(call.parts)
        if len(fills) != len(call.parts):
            raise InvalidArgumentError(f"baseline: {len(fills)} are given, and {len(call.parts)} inputs are measured")
        pairs = zip(call.parts, fills, strict=True)
        return layout.joined([filled(part, own) for part, own in pairs])
    x = call.inputs
    if isinstance(fill, str):
        if fill not in WORDS:
            raise InvalidArgumentError(f"baseline is a number, an array or one of {', '.join(WORDS)}, not {fill!r}")
        places = tuple(range(1, x.ndim - 1))
        if fill == "mean":
            return np.broadcast_to(x.mean(places, keepdims=True), x.shape).astype(x.dtype)
        if fill == "blur":
            return _blurred(x, call.layout.letters)
        axes = "N" + call.layout.letters + "C"
        return baseline(
            fill, x, axes, ends=lambda: _ends(call), data=None, neutral=lambda _: (), generator=call.generator
        )
    array = np.asarray(fill)
    if array.dtype.kind not in "iuf":
        raise InvalidArgumentError(f"baseline is a number, an array or one of {', '.join(WORDS)}, not {fill!r}")
    if array.ndim == 0:
        return np.full_like(x, array)
    if array.shape not in (layout.shape, layout.shape[1:], (1, *layout.shape[1:])):
        raise InvalidArgumentError(f"baseline has shape {array.shape}, and the inputs {layout.shape}")
    found: Array = layout.arranged(np.broadcast_to(array, layout.shape)).astype(x.dtype)
    return found


def along(
    call: MetricCall, ranks: Array, counts: Sequence[int] | Array, start: Array, end: Array, *, probabilities: bool
) -> Array:
    """The explained number where the first units of an order are as in ``end`` and the others as in ``start``.

    Parameters
    ----------
    ranks
        Place of each element in the order, as :func:`order_of` has it, shape ``(N, places…)`` or ``(N, places…, C)``.
    counts
        How many are as in ``end``, one a step.
    start, end
        Shape ``(N, places…, C)``.

    Returns
    -------
    Shape ``(N, steps)``, float64.
    """
    ranks = ranks[..., None] if ranks.ndim < start.ndim else ranks
    number, steps = len(start), len(counts)
    samples, at = (grid.reshape(-1) for grid in np.meshgrid(np.arange(number), np.asarray(counts), indexing="ij"))
    found = np.empty(number * steps)
    for first in range(0, len(found), call.batch_size):
        part = slice(first, first + call.batch_size)
        which = samples[part]
        limit = at[part].reshape(-1, *[1] * (start.ndim - 1))
        rows = np.where(ranks[which] < limit, end[which], start[which])
        found[part] = call.scores(rows, which, probabilities=probabilities)
    return found.reshape(number, steps)


def area(curves: Array) -> Array:
    """Area under curves of shape ``(N, steps)`` by the trapezoidal rule, over 0…1 in equal steps; shape ``(N,)``."""
    if curves.shape[1] == 1:
        return np.asarray(curves[:, 0])
    return np.asarray((curves.sum(1) - (curves[:, 0] + curves[:, -1]) / 2) / (curves.shape[1] - 1))


def _ends(call: MetricCall) -> tuple[Any, Any]:
    record = call.explanation.record
    known = None if record is None else record.words.get("value_range")
    if known is not None:
        return known[0], known[1]
    axes = tuple(range(1, call.inputs.ndim))
    return call.inputs.min(axes, keepdims=True), call.inputs.max(axes, keepdims=True)


def _blurred(x: Array, letters: str) -> Array:
    found = x.astype(np.float64)
    for axis, letter in enumerate(letters, 1):
        if letter == "F":
            return np.zeros_like(x)
        scale = max(max(x.shape[1 : 1 + len(letters)]) / SIDE, 1.0)
        reach = max(1, round(REACH * scale))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SIGMA * scale)) ** 2)
        weights /= weights.sum()
        padding = [(reach, reach) if k == axis else (0, 0) for k in range(x.ndim)]
        padded = np.pad(found, padding, mode="edge")
        found = sum(w * padded.take(np.arange(k, k + x.shape[axis]), axis) for k, w in enumerate(weights))
    return np.asarray(found, x.dtype)
