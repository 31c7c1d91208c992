"""Similarity of maps: rank correlation with and without signs, SSIM, and rank correlation of HOG features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra
from metannvis_methods.ranks import ranks
from metannvis_methods.results.differences import RADIUS, SIGMA, correlation, structural_similarity

__all__ = ["SIMILARITIES", "hog", "similarity", "spearman", "spearman_absolute", "ssim"]

Array = np.ndarray[Any, Any]
#: How many standard deviations of the Gaussian weights of SSIM a window reaches that is smaller than the usual one.
REACH = 3.5
#: Side of a cell of HOG, of images of 224 pixels.
CELL = 16 / 224


def spearman(first: Array, second: Array) -> Array:
    """Rank correlation of two stacks of maps ``(N, places…)``, shape ``(N,)``; 0 where one is constant and the other is not."""
    return np.array([correlation(ranks(a), ranks(b)) for a, b in zip(first, second, strict=True)])


def spearman_absolute(first: Array, second: Array) -> Array:
    """Rank correlation of the magnitudes."""
    return spearman(np.abs(first), np.abs(second))


def ssim(first: Array, second: Array) -> Array:
    """Structural similarity with Gaussian weights of maps scaled to 0…1, shape ``(N,)``.

    Maps that are smaller than the window of 11 places get a narrower one.

    Raises
    ------
    InvalidArgumentError
        The maps have one axis of places, or fewer than three places along one.
    """
    side = min(first.shape[1:], default=0)
    if first.ndim < 3 or side < 3:
        raise InvalidArgumentError(f"SSIM is of images of 3 × 3 pixels at least, and the maps have shape {first.shape}")
    radius = min(RADIUS, (side - 1) // 2)
    sigma = SIGMA if radius == RADIUS else radius / REACH
    pairs = zip(first, second, strict=True)
    return np.array([structural_similarity(_scaled(a), _scaled(b), sigma, radius) for a, b in pairs])


def hog(first: Array, second: Array) -> Array:
    """Rank correlation of the histograms of oriented gradients of maps scaled to 0…1, shape ``(N,)``.

    Cells are 16 × 16 pixels of 224, and at least 2 × 2; of volumes the slices are taken one by one.

    Raises
    ------
    InvalidArgumentError
        The maps have one axis of places.
    MissingFrameworkError
        scikit-image is not installed.
    """
    features = require_extra("skimage.feature", "images", "scikit-image").hog
    if first.ndim < 3:
        raise InvalidArgumentError(f"HOG is of images, and the maps have shape {first.shape}")
    cell = tuple(max(2, round(CELL * size)) for size in first.shape[-2:])

    def described(one: Array) -> Array:
        slices = _scaled(one).reshape(-1, *one.shape[-2:])
        return np.concatenate([features(part, pixels_per_cell=cell, cells_per_block=(1, 1)) for part in slices])

    return np.array([correlation(ranks(described(a)), ranks(described(b))) for a, b in zip(first, second, strict=True)])


#: By name; each takes two stacks of maps ``(N, places…)`` and returns numbers of shape ``(N,)``, 1 of equal ones.
SIMILARITIES: Mapping[str, Callable[[Array, Array], Array]] = {
    "spearman": spearman,
    "spearman_absolute": spearman_absolute,
    "ssim": ssim,
    "hog": hog,
}


def similarity(name: str, first: Any, second: Any) -> Array:
    """One of :data:`SIMILARITIES` of two stacks of maps of shape ``(N, places…)``.

    Raises
    ------
    InvalidArgumentError
        There is none of that name, or the maps differ in shape.
    """
    if name not in SIMILARITIES:
        raise InvalidArgumentError(f"similarity is one of {', '.join(SIMILARITIES)}, not {name!r}")
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise InvalidArgumentError(f"maps of shapes {a.shape} and {b.shape} are not compared")
    return SIMILARITIES[name](a, b)


def _scaled(one: Array) -> Array:
    """A map brought to 0…1; 0 if it is constant."""
    low, high = one.min(), one.max()
    return (one - low) / (high - low) if high > low else np.zeros_like(one)
