"""Handwritten digits: the 1,797 images of 8×8 pixels that come with scikit-learn; nothing is downloaded.

Needs the extra ``metannvis-methods[examples]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.extras import require_extra

__all__ = ["Digits", "load"]

Array = np.ndarray[Any, Any]
#: Number of images to test with.
TEST = 360


@dataclass(frozen=True)
class Digits:
    """Images of shape ``(N, 8, 8)``, float32 in 0…1, and their classes, shape ``(N,)``, int64 in 0…9."""

    train_images: Array
    train_classes: Array
    test_images: Array
    test_classes: Array

    def first_of_each(self, classes: tuple[int, ...]) -> Array:
        """Positions of the first test image of each class, shape ``(len(classes),)``, int64."""
        return np.array([int(np.flatnonzero(self.test_classes == k)[0]) for k in classes])


def load(seed: int) -> Digits:
    """1,437 images to train on and 360 to test with, drawn by the seed.

    Raises
    ------
    MissingFrameworkError
        scikit-learn is not installed.
    """
    images, classes = require_extra("sklearn.datasets", "examples", "scikit-learn").load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    classes = classes.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = order[:TEST], order[TEST:]
    return Digits(images[train], classes[train], images[test], classes[test])
