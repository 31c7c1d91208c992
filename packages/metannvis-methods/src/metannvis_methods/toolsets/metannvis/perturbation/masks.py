"""Masks over inputs of any rank: random grids enlarged, and groups of elements that are masked together.

Masks are worked out in the axes of the model that runs: places are all axes but samples (N), channels (C) and features (F); a
row of features, which has no places, has one place a feature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["GivenMasks", "Groups", "Masks", "RandomGrids", "cells_of", "grid_of", "places_of"]

Array = np.ndarray[Any, Any]


class Masks(Protocol):
    """Masks of one input, a number of them."""

    def applied(self, start: int, stop: int) -> Array:
        """Masks ``start`` to ``stop``, shape ``(k, 1 or N, …)``, which broadcasts to ``(k, *input)``."""

    def weights(self, start: int, stop: int) -> Array:
        """What scores are summed with, shape ``(k, D)``."""

    def values(self, sums: Array) -> tuple[Array, bool]:
        """Sums of shape ``(N, D)`` as they lie on the input, and whether they have its channels."""


def places_of(axes: str) -> tuple[int, ...]:
    """Axes of an input that are places, by a letter each; the features where there are none."""
    found = tuple(k for k, letter in enumerate(axes) if k and letter not in "CF")
    return found or tuple(range(1, len(axes)))


def cells_of(shape: Sequence[int], axes: str, cells: int, *, single: bool) -> tuple[int, ...]:
    """Cells of a grid along each place: ``cells``, and no more than there are elements; one an element where ``single``."""
    rows = not any(letter not in "NCF" for letter in axes)
    return tuple(shape[k] if single or rows else min(cells, shape[k]) for k in places_of(axes))


def _over(axes: str, masks: Array) -> Array:
    """Masks of shape ``(k, places…)`` with axes of size 1 for samples and channels."""
    places = places_of(axes)
    return masks.reshape(
        len(masks), 1, *(masks.shape[1 + places.index(k)] if k in places else 1 for k in range(1, len(axes)))
    )


@dataclass(frozen=True)
class RandomGrids:
    """Grids of zeros and ones, enlarged by linear interpolation to one cell more, and cropped at a shift.

    Attributes
    ----------
    grids
        Shape ``(n, cells…)``.
    shifts
        Where each mask begins along each place, in 0…cell − 1, shape ``(n, places)``.
    sizes
        Of the places.
    axes
        Of the input.
    """

    grids: Array
    shifts: Array
    sizes: tuple[int, ...]
    axes: str

    @staticmethod
    def drawn(
        generator: np.random.Generator, count: int, p: float, sizes: tuple[int, ...], axes: str, cells: Sequence[int]
    ) -> RandomGrids:
        """So many, each cell one with probability ``p``, each shift as likely as others; float32."""
        steps = [math.ceil(size / number) for size, number in zip(sizes, cells, strict=True)]
        grids = (generator.random((count, *cells)) < p).astype(np.float32)
        return RandomGrids(grids, generator.integers(0, steps, (count, len(steps))), sizes, axes)

    def masks(self, start: int, stop: int) -> Array:
        """Shape ``(k, places…)``, values in 0…1, in the precision of the grids."""
        found = self.grids[start:stop]
        for axis, size in enumerate(self.sizes, 1):
            number = self.grids.shape[axis]
            enlarge = enlarging(number, math.ceil(size / number)).astype(found.dtype)
            # a matrix a mask: the rows of the enlargement from its shift on
            rows = enlarge[self.shifts[start:stop, axis - 1, None] + np.arange(size)]
            moved = np.moveaxis(found, axis, 1).reshape(len(found), number, -1)
            shape = (len(found), size, *(n for k, n in enumerate(found.shape) if k not in (0, axis)))
            found = np.moveaxis((rows @ moved).reshape(shape), 1, axis)
        return found

    def applied(self, start: int, stop: int) -> Array:
        """The same for every channel and sample."""
        return _over(self.axes, self.masks(start, stop))

    def weights(self, start: int, stop: int) -> Array:
        """The masks themselves."""
        return self.masks(start, stop).reshape(stop - start, -1)

    def values(self, sums: Array) -> tuple[Array, bool]:
        """A map without channels."""
        return sums.reshape(len(sums), *self.sizes), False


def enlarging(cells: int, cell: int) -> Array:
    """Matrix of the linear interpolation of ``cells`` numbers to ``(cells + 1) * cell``, half pixels at the border."""
    size = (cells + 1) * cell
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    low = np.minimum(np.floor(at).astype(int), max(cells - 2, 0))
    matrix = np.zeros((size, cells))
    matrix[np.arange(size), low] = 1 - (at - low)
    matrix[np.arange(size), np.minimum(low + 1, cells - 1)] += at - low
    return matrix


@dataclass(frozen=True)
class GivenMasks:
    """Masks of the caller's, shape ``(n, places…)``, the same for every channel and sample."""

    given: Array
    axes: str

    def applied(self, start: int, stop: int) -> Array:
        """As they are."""
        return _over(self.axes, self.given[start:stop])

    def weights(self, start: int, stop: int) -> Array:
        """The masks themselves."""
        return self.given[start:stop].reshape(stop - start, -1)

    def values(self, sums: Array) -> tuple[Array, bool]:
        """A map without channels."""
        return sums.reshape(len(sums), *self.given.shape[1:]), False


@dataclass(frozen=True)
class Groups:
    """Groups of elements, each of which is masked by one number.

    Attributes
    ----------
    numbers
        Shape ``(n, groups)``.
    members
        Group of each element: shape of the input with 1 for axes along which it is the same, or of its places.
    shape, axes
        Of the input.
    """

    numbers: Array
    members: Array
    shape: tuple[int, ...]
    axes: str

    @property
    def _of_places(self) -> bool:
        return self.members.ndim < len(self.shape)

    def applied(self, start: int, stop: int) -> Array:
        """The number of the group that an element is of."""
        chosen = self.numbers[start:stop][:, self.members]
        return _over(self.axes, chosen) if self._of_places else chosen

    def weights(self, start: int, stop: int) -> Array:
        """One a group."""
        return self.numbers[start:stop]

    def values(self, sums: Array) -> tuple[Array, bool]:
        """Those of the group that an element is of."""
        if self._of_places:
            return sums[:, self.members], False
        members = np.broadcast_to(self.members, self.shape)
        return np.take_along_axis(sums, members.reshape(len(sums), -1), axis=1).reshape(self.shape), True


def grid_of(sizes: Sequence[int], cells: Sequence[int]) -> Array:
    """Cell that each place lies in, whole numbers from 0, shape ``sizes``."""
    found = np.zeros((), int)
    for size, number in zip(sizes, cells, strict=True):
        found = found[..., None] * number + np.arange(size) * number // size
    return found
