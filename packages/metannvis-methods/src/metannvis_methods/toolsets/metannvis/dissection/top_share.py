"""Thresholds of units: the value that a given share of a unit's activations is above, from a stream of batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["TopShare"]

Array = np.ndarray[Any, Any]


class TopShare:
    """The largest activations of each unit, which are kept exactly while they come to no more than a bound.

    Of ``M`` activations of a unit, ``k = floor(share · M)`` and the next one are kept, and that is the threshold: at most ``k``
    are above it. Past the bound places are left out by lot, the same share of them for every unit, and the threshold is that of
    the others.

    Parameters
    ----------
    units
        Number of units.
    total
        Activations that a unit will have, images times places.
    share
        Share that is above the threshold, between 0 and 1.
    bound
        Bytes that may be kept.
    seed
        Of the lot.
    """

    def __init__(self, units: int, total: int, share: float, bound: int, seed: int = 0) -> None:
        self.share, self.total = share, total
        keep = math.floor(share * total) + 1
        size = units * keep * np.dtype(np.float32).itemsize
        #: Share of the places that is looked at.
        self.rate = 1.0 if size <= bound else bound / size
        self.keep = keep if self.rate == 1 else max(2, math.ceil(share * total * self.rate * 1.05) + 64)
        self._seen = 0
        self._top = np.empty((units, 0), np.float32)
        self._waiting: list[Array] = []
        self._generator = np.random.default_rng(seed)

    @property
    def is_exact(self) -> bool:
        """Whether every place counts."""
        return self.rate == 1

    def add(self, values: Array) -> None:
        """Activations of a batch, shape ``(units, count)``."""
        if not self.is_exact:
            values = values[:, self._generator.random(values.shape[1]) < self.rate]
        self._seen += values.shape[1]
        self._waiting.append(np.asarray(values, np.float32 if values.dtype.itemsize < 8 else values.dtype))
        if sum(part.shape[1] for part in self._waiting) >= self.keep:
            self._merge()

    def _merge(self) -> None:
        together = np.concatenate([self._top, *self._waiting], axis=1)
        self._waiting = []
        if together.shape[1] > self.keep:
            together = np.partition(together, together.shape[1] - self.keep, axis=1)[:, -self.keep :]
        self._top = np.ascontiguousarray(together)

    def thresholds(self) -> Array:
        """The threshold of each unit, shape ``(units,)``.

        Raises
        ------
        InvalidArgumentError
            Nothing was seen.
        """
        self._merge()
        if not self._top.shape[1]:
            raise InvalidArgumentError("there are no activations to take a share of")
        rank = min(math.floor(self.share * self._seen) + 1, self._top.shape[1])  # from the largest, which is 1
        ordered = np.partition(self._top, self._top.shape[1] - rank, axis=1)
        found: Array = ordered[:, self._top.shape[1] - rank]
        return found
