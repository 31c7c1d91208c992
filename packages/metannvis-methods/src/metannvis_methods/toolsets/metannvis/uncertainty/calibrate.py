"""Calibration of probabilities: temperature scaling and the expected calibration error (Guo et al., 2017, arXiv:1706.04599)."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.results.calibration import Calibration
from metannvis_methods.toolsets.metannvis.uncertainty.probabilities import SUM, softmax

__all__ = ["calibration", "fit_temperature"]

Array = np.ndarray[Any, Any]
BINS = 15
#: Temperatures that are looked at.
COLDEST, HOTTEST = 1e-3, 1e3
#: How near 1 the ratio of two bounds of the temperature is at the end.
PRECISION = 1e-10


def fit_temperature(logits: Any, classes: Any) -> float:
    """The temperature T that makes ``softmax(logits / T)`` most likely: the minimum of the mean negative log-likelihood.

    Parameters
    ----------
    logits
        Shape ``(N, classes)``, of samples that the network was not trained on.
    classes
        Their classes, whole numbers of shape ``(N,)``.

    Returns
    -------
    float
        Above 1 for a network that is too sure of itself. Divide its logits by it.

    Raises
    ------
    InvalidArgumentError
        Shapes do not fit, or there is no minimum: every sample is classified right (or none better than by chance), so that
        the likelihood grows towards a temperature of 0 (or without end).
    """
    z, y = _samples(logits, classes)
    if not np.isfinite(z).all():
        raise InvalidArgumentError("logits are finite numbers, and some of these are not")
    right = z[np.arange(len(y)), y]

    def slope(inverse: float) -> float:
        """Derivative of the mean negative log-likelihood by 1 / T, which grows with it: the likelihood is concave there."""
        return float(((softmax(inverse * z) * z).sum(1) - right).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        raise InvalidArgumentError("no temperature: the logits say less about the classes than nothing at all")
    if slope(high) <= 0:
        raise InvalidArgumentError(
            "no temperature: every sample is classified right, so that it has no lower bound; take samples with mistakes"
        )
    while high / low > 1 + PRECISION:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / (low * high) ** 0.5


def calibration(probabilities: Any, classes: Any, *, bins: int = BINS) -> Calibration:
    """How far confidence is from accuracy: expected calibration error, and what a reliability diagram shows.

    Parameters
    ----------
    probabilities
        Shape ``(N, classes)``, rows that sum to 1.
    classes
        True classes, whole numbers of shape ``(N,)``.
    bins
        Of equal width between 0 and 1.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidArgumentError
        Shapes do not fit, or rows are no distributions.
    """
    p, y = _samples(probabilities, classes)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise InvalidArgumentError(f"bins is a whole number of at least 1, not {bins!r}")
    if not (p.min() >= -SUM and (np.abs(p.sum(1) - 1) < SUM).all()):
        raise InvalidArgumentError("probabilities are rows that sum to 1; of logits take the softmax first")
    confidence, right = p.max(1), p.argmax(1) == y
    edges = np.arange(bins + 1) / bins
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins).astype(np.int64)
    filled = counts > 0
    divisor = np.where(filled, counts, 1)
    mean = np.where(filled, np.bincount(places, confidence, bins) / divisor, np.nan)
    accuracy = np.where(filled, np.bincount(places, right, bins) / divisor, np.nan)
    apart = np.abs(accuracy - mean)[filled]
    return Calibration(
        edges=edges,
        counts=counts,
        confidence=mean,
        accuracy=accuracy,
        error=float((apart * counts[filled]).sum() / counts.sum()),
        largest_error=float(apart.max()),
    )


def _samples(values: Any, classes: Any) -> tuple[Array, Array]:
    x, y = to_numpy(values).astype(np.float64), to_numpy(classes)
    if x.ndim != 2 or x.shape[1] < 2 or not len(x) or y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise InvalidArgumentError(
            "there is a row of classes and a class for each sample: shapes (N, classes) and (N,) of whole numbers, not "
            f"{x.shape} and {y.shape} of {y.dtype}"
        )
    if y.min() < 0 or y.max() >= x.shape[1]:
        raise InvalidArgumentError(f"classes lie in 0…{x.shape[1] - 1}, and these in {y.min()}…{y.max()}")
    return x, y.astype(np.int64)
