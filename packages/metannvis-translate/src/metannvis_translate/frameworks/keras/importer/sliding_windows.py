"""Sliding windows without a native layer: one slice of the input for each place in the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.importing.windows import Pads, window_counts

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

__all__ = ["Windows", "is_float", "lowest"]

ops = keras.ops
Array = np.ndarray[Any, Any]


def is_float(tensor: Any) -> bool:
    """Whether a tensor holds floating-point numbers."""
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def lowest(tensor: Any) -> Any:
    """What never wins a maximum: minus infinity, or the smallest integer."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return -np.inf if is_float(tensor) else int(np.iinfo(dtype).min)


@dataclass(frozen=True)
class Windows:
    """Windows over a channels-last image of known size, one entry a spatial axis in each attribute."""

    sizes: tuple[int, ...]
    pads: Pads
    kernel: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]

    @classmethod
    def of(
        cls,
        ctx: KerasImporter,
        sizes: Sequence[int | None],
        pads: Pads | None,
        kernel: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> Windows:
        """The windows of a node whose image has to be of known size."""
        known = tuple(size for size in sizes if size is not None)
        if pads is None or len(known) < len(sizes):
            ctx.refuse("a pool of this kind needs to know the input's size")
        return cls(known, pads, kernel, strides, dilations)

    @property
    def out(self) -> tuple[int, ...]:
        """Number of windows along each axis."""
        return window_counts(self.sizes, self.pads, self.kernel, self.strides, self.dilations)

    def starts(self) -> Iterator[list[int]]:
        """For each place in the window, row by row, where the first window has it in the padded image."""
        for offsets in np.ndindex(*self.kernel):
            yield [o * d for o, d in zip(offsets, self.dilations, strict=True)]

    def parts(self, tensor: Any, fill: Any) -> Iterator[Any]:
        """For each place in the window what all windows have there, shape (batch, *out, channels)."""
        if any(pad != (0, 0) for pad in self.pads):
            tensor = ops.pad(tensor, [(0, 0), *self.pads, (0, 0)], constant_values=fill)
        for start in self.starts():
            yield tensor[(slice(None), *self.slices(start), slice(None))]

    def slices(self, start: Sequence[int]) -> tuple[slice, ...]:
        rows = zip(start, self.strides, self.out, strict=True)
        return tuple(slice(first, first + (count - 1) * s + 1, s) for first, s, count in rows)

    def counts(self, declared: Pads | None) -> Array:
        """How many elements of the input, and of its declared padding if given, each window has, shape (*out)."""
        counted = np.zeros([size + sum(pad) for size, pad in zip(self.sizes, self.pads, strict=True)])
        extra = declared or [(0, 0)] * len(self.sizes)
        rows = zip(self.sizes, self.pads, extra, strict=True)
        counted[tuple(slice(pad[0] - more[0], pad[0] + size + more[1]) for size, pad, more in rows)] = 1
        return np.sum([counted[self.slices(start)] for start in self.starts()], axis=0)

    def maximum(self, tensor: Any, *, column_major: bool) -> tuple[Any, Any]:
        """The largest element of each window, and its index in the flattened (batch, channels, *space) input."""
        channels, area = tensor.shape[-1], int(np.prod(self.sizes))
        numbers = np.arange(area).reshape(self.sizes, order="F" if column_major else "C")
        numbers = np.pad(numbers, self.pads)
        best = index = None
        for start, part in zip(self.starts(), self.parts(tensor, lowest(tensor)), strict=True):
            number = numbers[self.slices(start)][None, ..., None]
            if best is None:
                best, index = part, add(ops.zeros_like(part, dtype="int64"), number)
                continue
            better = ops.greater(part, best)
            best, index = ops.where(better, part, best), ops.where(better, number, index)
        one = ops.ones_like(best, dtype="int64")
        sample = ops.subtract(ops.cumsum(one, axis=0), one)
        plane = add(ops.multiply(sample, channels), np.arange(channels))
        return best, add(index, ops.multiply(plane, area))
