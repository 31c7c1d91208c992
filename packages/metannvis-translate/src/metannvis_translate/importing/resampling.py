"""Interpolation along one axis as ONNX's Resize defines it: which elements, and with which weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Line", "factors", "proportional"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """How one axis is resized.

    Attributes
    ----------
    old, new
        Sizes.
    scale
        What ``new`` was computed by; not always ``new / old``.
    region
        With ``tf_crop_and_resize``: which part of the axis is resized, 0 to 1.
    """

    old: int
    new: int
    scale: float
    coordinates: str = "half_pixel"
    region: tuple[float, float] = (0.0, 1.0)
    #: with places in single precision, as TensorFlow computes them
    single: bool = False

    def positions(self) -> Array:
        """Where each new element lies among the old ones, shape (new,)."""
        at = np.arange(self.new, dtype=np.float64)
        if self.single and self.coordinates == "half_pixel":
            scale = np.float32(self.old) / np.float32(self.new)
            return ((at.astype(np.float32) + np.float32(0.5)) * scale - np.float32(0.5)).astype(np.float64)
        match self.coordinates:
            case "align_corners":
                return at * (self.old - 1) / (self.new - 1) if self.new > 1 else at * 0.0
            case "tf_crop_and_resize":
                start, end = (edge * (self.old - 1) for edge in self.region)
                return start + at * (end - start) / (self.new - 1) if self.new > 1 else at + (start + end) / 2
            case "asymmetric":
                return at / self.scale
            case "pytorch_half_pixel" if self.new == 1:
                return at - 0.5
            case "half_pixel_symmetric":
                offset = self.old / 2 * (1 - self.new / (self.scale * self.old))
                return offset + (at + 0.5) / self.scale - 0.5
        return (at + 0.5) / self.scale - 0.5

    def outside(self) -> Array:
        """Which new elements lie beyond the old ones, shape (new,), bool."""
        at = self.positions()
        return (at < 0) | (at > self.old - 1)

    def nearest(self, rounding: str) -> Array:
        """Index of the old element that each new one takes, shape (new,), int64."""
        at = self.positions()
        rounded = {
            "floor": np.floor(at),
            "ceil": np.ceil(at),
            "round_prefer_floor": np.ceil(at - 0.5),
            "round_prefer_ceil": np.floor(at + 0.5),
        }[rounding]
        return np.clip(rounded, 0, self.old - 1).astype(np.int64)

    def matrix(self, mode: str, *, antialias: bool = False, a: float = -0.75, exclude_outside: bool = False) -> Array:
        """Weights of the old elements in each new one, shape (new, old), float64.

        ``mode`` is ``"linear"`` or ``"cubic"`` (with coefficient ``a``); elements beyond the ends are those at the ends,
        or left out with ``exclude_outside``.

        References
        ----------
        R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29 (6), 1981.
        """
        shrink = min(self.scale, 1.0) if antialias else 1.0
        reach = math.ceil((1 if mode == "linear" else 2) / shrink)
        weights = np.zeros((self.new, self.old))
        for row, at in zip(weights, self.positions(), strict=True):
            index = math.floor(at) + np.arange(-reach, reach + 2)
            distance = np.abs(shrink * (index - at))
            weight = np.maximum(1 - distance, 0) if mode == "linear" else _cubic(distance, a)
            if exclude_outside:
                weight = np.where((index < 0) | (index >= self.old), 0.0, weight)
            if exclude_outside or antialias:
                weight = weight / weight.sum()
            np.add.at(row, np.clip(index, 0, self.old - 1), weight)
        return weights


def factors(
    shape: Sequence[int | None], scales: Sequence[float | None] | None, sizes: Sequence[int | None] | None
) -> list[float] | None:
    """By how much each axis is resized, from ONNX's ``scales`` or ``sizes`` (an entry ``None``: it stays).

    ``None`` if an axis of free size is to come out with a fixed one.
    """
    if scales is not None or sizes is None:
        return [1.0 if scale is None else float(scale) for scale in scales or []]
    found = []
    for have, size in zip(shape, sizes, strict=True):
        if size is None or size == have:
            found.append(1.0)
        elif have is None:
            return None
        else:
            found.append(size / (have or 1))
    return found


def proportional(
    shape: Sequence[int | None], sizes: Sequence[int | None], policy: str
) -> tuple[list[float], list[int | None]] | None:
    """One factor for all axes that are resized, and the sizes it gives: at most (``not_larger``) or at least the wanted ones.

    ``None`` if one of them has a free size.
    """
    rows = [(have, size) for have, size in zip(shape, sizes, strict=True) if size is not None]
    if any(have is None for have, _ in rows):
        return None
    scale = (min if policy == "not_larger" else max)(size / (have or 1) for have, size in rows)
    scales = [1.0 if size is None else scale for size in sizes]
    rounded = zip(shape, sizes, strict=True)
    return scales, [None if size is None else math.floor(scale * (have or 0) + 0.5) for have, size in rounded]


def _cubic(x: Array, a: float) -> Array:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
