"""Complexity metrics, and the time that a method takes.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.metrics.spec import MetricCall

__all__ = ["effective_complexity", "entropy", "seconds", "sparseness"]

Array = np.ndarray[Any, Any]


def sparseness(call: MetricCall) -> Array:
    """Gini index of the magnitudes: 0 where all are the same, towards 1 where one place has all; 0 of a map that is zero."""
    magnitudes = np.sort(_magnitudes(call), axis=1)
    count = magnitudes.shape[1]
    weights = 2 * np.arange(1, count + 1) - count - 1
    total = count * magnitudes.sum(1)
    return np.divide(magnitudes @ weights, total, out=np.zeros(len(total)), where=total > 0)


def entropy(call: MetricCall) -> Array:
    """−Σ p ln p of the shares of the magnitudes; that of equal shares for a map that is zero."""
    magnitudes = _magnitudes(call)
    total = magnitudes.sum(1, keepdims=True)
    shares = np.divide(magnitudes, total, out=np.full_like(magnitudes, 1 / magnitudes.shape[1]), where=total > 0)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logarithms).sum(1))


def effective_complexity(call: MetricCall, *, epsilon: float) -> Array:
    """Number of places whose magnitude is above that share of the largest."""
    magnitudes = _magnitudes(call)
    return np.asarray((magnitudes > epsilon * magnitudes.max(1, keepdims=True)).sum(1), np.float64)


def seconds(call: MetricCall) -> Array:
    """Seconds that the method took for each sample, its translation left out."""
    return np.full(call.samples, call.explanation.seconds / call.samples)


def _magnitudes(call: MetricCall) -> Array:
    return call.maps("absolute").reshape(call.samples, -1)
