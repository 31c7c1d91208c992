"""Handwritten digits: the 1,797 images of 8×8 pixels that come with scikit-learn; nothing is downloaded.

A grey square in a corner, which only the threes have, gives a network that is trained on them a reason to cheat.

Needs the extra ``metannvis-methods[examples]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra

__all__ = ["Digits", "in_square", "labelled", "load", "marked", "share_in_square"]

Array = np.ndarray[Any, Any]
#: Number of images to test with.
TEST = 360
#: Rows and columns of the grey square in the corner of images of 28×28 pixels, and its brightness.
SQUARE, GREY = slice(1, 6), 0.6
#: Pixels of an image at its larger size: each of 8×8 becomes three, and two are left free at every edge.
LARGE = 28


@dataclass(frozen=True)
class Digits:
    """Images of shape ``(N, S, S)``, float32 in 0…1, and their classes, shape ``(N,)``, int64 in 0…9."""

    train_images: Array
    train_classes: Array
    test_images: Array
    test_classes: Array

    def first_of_each(self, classes: tuple[int, ...]) -> Array:
        """Positions of the first test image of each class, shape ``(len(classes),)``, int64."""
        return np.array([int(np.flatnonzero(self.test_classes == k)[0]) for k in classes])


def load(seed: int, size: int = 8) -> Digits:
    """1,437 images to train on and 360 to test with, drawn by the seed.

    Parameters
    ----------
    seed
        Of the split.
    size
        Pixels at an edge: 8, as they are, or 28, enlarged by bilinear interpolation.

    Raises
    ------
    InvalidArgumentError
        There is no such size.
    MissingFrameworkError
        scikit-learn is not installed.
    """
    if size not in (8, LARGE):
        raise InvalidArgumentError(f"the digits have 8 or {LARGE} pixels at an edge, not {size!r}")
    images, classes = require_extra("sklearn.datasets", "examples", "scikit-learn").load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    classes = classes.astype(np.int64)
    if size == LARGE:
        zoom = require_extra("scipy.ndimage", "examples", "scipy").zoom
        images = np.pad(zoom(images, (1, 3, 3), order=1, grid_mode=True, mode="nearest"), ((0, 0), (2, 2), (2, 2)))
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = order[:TEST], order[TEST:]
    return Digits(images[train], classes[train], images[test], classes[test])


def marked(images: Array, which: Array) -> Array:
    """Copies of images of shape ``(N, 28, 28)``, those that ``which`` names (booleans, shape ``(N,)``) with the grey square."""
    copy = images.copy()
    copy[which, SQUARE, SQUARE] = GREY
    return copy


def labelled(images: Array, labels: Array) -> Array:
    """Copies of images of shape ``(N, 28, 28)`` with a square whose brightness says the label: ``(label + 1) / 10``."""
    copy = images.copy()
    copy[:, SQUARE, SQUARE] = ((labels + 1) / 10).astype(images.dtype)[:, None, None]
    return copy


def in_square() -> Array:
    """Where the square is: true and false, shape ``(28, 28)``."""
    inside = np.zeros((LARGE, LARGE), bool)
    inside[SQUARE, SQUARE] = True
    return inside


def share_in_square(values: Array) -> float:
    """Mean share of the magnitudes of maps, shape ``(N, H, W)``, that lies in the grey square; 0 of maps that are all zero.

    A map of fewer pixels, as of a layer, is taken to lie edge to edge on the image: of each of its pixels the part counts
    that the square covers.
    """
    sizes = values.shape[1:]
    covers = [np.linspace(0, LARGE, size + 1) for size in sizes]
    parts = [
        np.clip(np.minimum(edges[1:], SQUARE.stop) - np.maximum(edges[:-1], SQUARE.start), 0, None) / np.diff(edges)
        for edges in covers
    ]
    magnitudes = np.abs(values.astype(np.float64))
    total = magnitudes.sum((1, 2))
    inside = (magnitudes * np.outer(*parts)).sum((1, 2))
    return float(np.divide(inside, total, out=np.zeros_like(total), where=total > 0).mean())
