"""Crops: inputs that are larger than what a model takes, measured window by window."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.layout import Layout

__all__ = ["Crops", "crops_of", "medians"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Crops:
    """Windows that inputs are cut into.

    Attributes
    ----------
    window
        Size along each place: height and width of images; depth, height and width of volumes.
    overlap
        Share of a window that it has in common with the next, 0…1 without 1.
    """

    window: tuple[int, ...]
    overlap: float = 0.0

    def places(self, sizes: Sequence[int]) -> list[tuple[slice, ...]]:
        """Windows that cover places of these sizes; the last along an axis ends where it ends.

        Raises
        ------
        InvalidArgumentError
            There is a size too many or too few, or one is larger than the places.
        """
        if len(self.window) != len(sizes) or any(w > s for w, s in zip(self.window, sizes, strict=True)):
            raise InvalidArgumentError(f"crops: the window {self.window} does not fit places of {tuple(sizes)}")
        starts = []
        for wide, size in zip(self.window, sizes, strict=True):
            step = max(1, round(wide * (1 - self.overlap)))
            starts.append(sorted({*range(0, size - wide, step), size - wide}))
        return [
            tuple(slice(start, start + wide) for start, wide in zip(corner, self.window, strict=True))
            for corner in itertools.product(*starts)
        ]

    def cut(self, array: Array, layout: Layout) -> Array:
        """Crops of an array that lies as the inputs of a ``layout``, shape ``(N · crops, …)``; a sample's are together."""
        arranged = layout.arranged(array)
        return layout.restored(self._stacked(arranged, layout.places))

    def cut_masks(self, masks: Any, layout: Layout) -> Array:
        """Crops of ``masks`` as a ``layout``'s ``arranged_mask`` takes them, shape ``(N · crops, places…)``."""
        return self._stacked(layout.arranged_mask(masks), layout.places)

    def _stacked(self, array: Array, sizes: Sequence[int]) -> Array:
        windows = self.places(sizes)
        return np.stack([array[(slice(None), *window)] for window in windows], axis=1).reshape(
            len(array) * len(windows), *self.window, *array.shape[1 + len(sizes) :]
        )


def crops_of(value: Any) -> Crops:
    """Crops as a caller gives them: :class:`Crops`, a dict of ``window`` and ``overlap``, or the window.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    if isinstance(value, Crops):
        value = {"window": value.window, "overlap": value.overlap}
    if not isinstance(value, Mapping):
        value = {"window": value}
    window, overlap = value.get("window"), value.get("overlap", 0.0)
    whole = isinstance(window, (tuple, list)) and all(isinstance(w, (int, np.integer)) and w >= 1 for w in window)
    if not whole or not window or set(value) - {"window", "overlap"}:
        raise InvalidArgumentError(f"crops are a dict of window, whole numbers, and overlap, not {value!r}")
    if isinstance(overlap, bool) or not isinstance(overlap, (int, float)) or not 0 <= overlap < 1:
        raise InvalidArgumentError(f"crops: overlap is a share in 0…1 without 1, not {overlap!r}")
    return Crops(tuple(int(w) for w in window), float(overlap))


def medians(scores: Array, crops: int) -> Array:
    """Medians over the crops of each sample, shape (methods, metrics, N · crops) to (methods, metrics, N); NaNs left out."""
    by_crop = scores.reshape(*scores.shape[:2], -1, crops)
    found = np.full(by_crop.shape[:3], np.nan)
    for place in np.ndindex(found.shape):
        there = by_crop[place][~np.isnan(by_crop[place])]
        if there.size:
            found[place] = np.median(there)
    return found
