"""Differences of maps: how far two of them are apart, in numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metannvis_methods.ranks import ranks

__all__ = ["RADIUS", "SIGMA", "TOP", "correlation", "differences", "iou_of_top", "ssim", "structural_similarity"]

Array = np.ndarray[Any, Any]
#: Share of the places that are the top of a map.
TOP = 0.1
#: Window of SSIM in standard deviations and places, and its constants (Wang et al., 2004, doi:10.1109/TIP.2003.819861).
SIGMA, RADIUS, K1, K2 = 1.5, 5, 0.01, 0.03


def differences(a: Array, b: Array) -> dict[str, float]:
    """How far ``a`` is from ``b``, both of shape ``(N, …)``; each figure is that of the worst sample.

    ``max_rel`` is max|a − b| / max|b|, ``rel_l2`` is ‖a − b‖ / ‖b‖; ``spearman`` is Pearson's correlation of
    ranks, ties sharing their mean rank; ``iou`` is :func:`iou_of_top`. Two samples that are all zero agree.
    """
    a, b = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (a, b))
    rows = [
        (
            _ratio(np.abs(x - y).max(initial=0), np.abs(y).max(initial=0)),
            _ratio(np.linalg.norm(x - y), np.linalg.norm(y)),
            _cosine(x, y),
            correlation(ranks(x), ranks(y)),
            iou_of_top(x, y),
        )
        for x, y in zip(a, b, strict=True)
    ]
    largest, l2, cosine, spearman, iou = zip(*rows, strict=True)
    return {
        "max_rel": max(largest),
        "rel_l2": max(l2),
        "cosine": min(cosine),
        "spearman": min(spearman),
        "iou": min(iou),
    }


def iou_of_top(x: Array, y: Array, share: float = TOP) -> float:
    """Intersection over union of the places whose magnitude is among the largest in each of two maps, ties included."""
    sets = []
    for values in (np.abs(np.asarray(x, np.float64)).ravel(), np.abs(np.asarray(y, np.float64)).ravel()):
        count = max(1, round(share * values.size))
        sets.append(values >= np.partition(values, -count)[-count] if values.size else np.zeros(0, bool))
    union = int((sets[0] | sets[1]).sum())
    return float((sets[0] & sets[1]).sum() / union) if union else 1.0


def correlation(x: Array, y: Array) -> float:
    """Pearson's correlation of two arrays of shape ``(n,)``: 1 if both are constant, 0 if one is."""
    return _cosine(x - x.mean(), y - y.mean())


def ssim(x: Array, y: Array) -> float:
    """Structural similarity of two images of shape ``(H, W)``, both scaled by the range of both."""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    if high == low:
        return 1.0
    x, y = ((np.asarray(image, np.float64) - low) / (high - low) for image in (x, y))
    return structural_similarity(x, y)


def structural_similarity(x: Array, y: Array, sigma: float = SIGMA, radius: int = RADIUS) -> float:
    """Structural similarity of two images or volumes ``(H, W)`` or ``(D, H, W)`` of values 0…1, with Gaussian weights.

    The mean leaves out what the window reaches over the border for, unless nothing would be left.

    Parameters
    ----------
    x, y
        float64.
    sigma
        Standard deviation of the weights, in places.
    radius
        How many places the window reaches to either side.

    References
    ----------
    Wang et al.: Image Quality Assessment: From Error Visibility to Structural Similarity, 2004, doi:10.1109/TIP.2003.819861;
    windows and borders as of scikit-image with ``gaussian_weights=True, use_sample_covariance=False``.
    """
    offsets = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (offsets / sigma) ** 2)
    bell /= bell.sum()

    def blurred(image: Array) -> Array:
        """By the bell, the image mirrored beyond its borders."""
        for axis, size in enumerate(image.shape):
            at = (np.arange(size)[:, None] + offsets) % (2 * size)
            at = np.where(at < size, at, 2 * size - 1 - at)
            image = np.tensordot(image.take(at, axis=axis), bell, (axis + 1, 0))
        return image

    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    found = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    inner = found[(slice(radius, -radius),) * found.ndim]
    return float((inner if inner.size else found).mean())


def _ratio(difference: Any, size: Any) -> float:
    if difference == 0:
        return 0.0
    return float(difference / size) if size else math.inf


def _cosine(x: Array, y: Array) -> float:
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    if norms == 0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.dot(x, y) / norms, -1, 1))
