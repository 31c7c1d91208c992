"""Interpolation along one axis as ONNX's Resize defines it: which elements, and with which weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "Interpolation",
    "Line",
    "factors",
    "for_all_axes",
    "line_of",
    "proportional",
    "regions_of",
    "resized_axes",
    "upsample",
]

Array = np.ndarray[Any, Any]
Region = tuple[float, float]
WHOLE: Region = (0.0, 1.0)


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
    region: Region = WHOLE
    #: with places in single precision
    single: bool = False

    def positions(self) -> Array:
        """Where each new element lies among the old ones, shape (new,)."""
        at = np.arange(self.new, dtype=np.float64)
        if self.single and self.coordinates in ("half_pixel", "asymmetric", "align_corners"):
            return self._single(at.astype(np.float32)).astype(np.float64)
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

    def _single(self, at: Array) -> Array:
        """The same by arithmetic of single precision, as TensorFlow has it."""
        if self.coordinates == "align_corners":
            return at * (np.float32(self.old - 1) / np.float32(max(self.new - 1, 1)))
        scale = np.float32(self.old) / np.float32(self.new)
        half = np.float32(0.5 if self.coordinates == "half_pixel" else 0)
        return (at + half) * scale - half

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


@dataclass(frozen=True)
class Interpolation:
    """How new elements are computed of the old ones: attributes of ONNX's Resize, under shorter names.

    Attributes
    ----------
    a
        Coefficient of ``mode="cubic"``.
    fill
        With ``coordinates="tf_crop_and_resize"``: what lies beyond the old elements.
    """

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    antialias: bool = False
    a: float = -0.75
    exclude_outside: bool = False
    fill: float = 0.0

    @property
    def half_pixel(self) -> bool:
        """Whether the centres of the elements are aligned, for new sizes above 1."""
        return self.coordinates in ("half_pixel", "pytorch_half_pixel")

    @property
    def repeats(self) -> bool:
        """Whether it repeats each element where the factors are whole.

        Half a pixel is a tie only if the factor is odd, and then it falls on the centre.
        """
        if self.mode != "nearest":
            return False
        whole = self.coordinates == "asymmetric" and self.nearest == "floor"
        return whole or (self.half_pixel and self.nearest.startswith("round"))

    def matrix(self, line: Line) -> Array:
        """Weights of the old elements of an axis in each new one, shape (new, old), float64."""
        return line.matrix(self.mode, antialias=self.antialias, a=self.a, exclude_outside=self.exclude_outside)


def upsample(mode: str) -> Interpolation:
    """What the operators before Resize of opset 11 do."""
    return Interpolation(mode, "asymmetric", "floor")


def for_all_axes(values: Sequence[Any], axes: Sequence[int], rank: int) -> list[Any]:
    """Values for some axes as a list of one for each, ``None`` for the others."""
    given = dict(zip(axes, values, strict=True))
    return [given.get(axis) for axis in range(rank)]


def regions_of(roi: Sequence[float], axes: Sequence[int]) -> dict[int, Region]:
    """Which part of each axis ``tf_crop_and_resize`` resizes, from ONNX's ``roi``: all beginnings, then all ends."""
    return {axis: (float(roi[k]), float(roi[k + len(axes)])) for k, axis in enumerate(axes)}


def resized_axes(scales: Sequence[float], regions: Mapping[int, Region]) -> list[int]:
    """Axes that do not stay as they are."""
    return [axis for axis, scale in enumerate(scales) if scale != 1 or regions.get(axis, WHOLE) != WHOLE]


def line_of(
    axis: int,
    old: int,
    scale: float,
    sizes: Sequence[int | None] | None,
    coordinates: str,
    regions: Mapping[int, Region],
    *,
    single: bool = False,
) -> Line:
    """One axis of a Resize: its new size is the one that is wanted, or what the factor gives, rounded down."""
    wanted = None if sizes is None else sizes[axis]
    new = int(old * scale) if wanted is None else int(wanted)
    return Line(old, new, scale, coordinates, regions.get(axis, WHOLE), single)


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
