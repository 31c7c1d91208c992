"""The handwritten digits that come with scikit-learn: nothing is downloaded. It is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

__all__ = ["Digits", "load"]

Array = np.ndarray[Any, Any]
TEST = 360


@dataclass(frozen=True)
class Digits:
    """Images of shape ``(N, 8, 8)``, float32 in 0…1, and their classes, shape ``(N,)``, int64."""

    train_images: Array
    train_classes: Array
    test_images: Array
    test_classes: Array

    def first_of_each(self, classes: tuple[int, ...]) -> Array:
        """Positions of the first test image of each class."""
        return np.array([int(np.flatnonzero(self.test_classes == k)[0]) for k in classes])


def load(seed: int) -> Digits:
    """1,437 images to train on and 360 to test with, drawn by the seed."""
    images, classes = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    classes = classes.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = order[:TEST], order[TEST:]
    return Digits(images[train], classes[train], images[test], classes[test])
