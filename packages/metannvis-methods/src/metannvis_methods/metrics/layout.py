"""Layouts of metrics: inputs and maps with their places first and channels last, whichever framework they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["Layout", "resized"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """How the inputs of a caller lie.

    Attributes
    ----------
    axes
        One letter an axis: N samples, C channels, the others places.
    shape
        Of the inputs.
    """

    axes: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape) or not self.shape:
            raise InvalidArgumentError(f"the inputs have shape {self.shape} and the axes {self.axes!r}")

    @property
    def letters(self) -> str:
        """Those of the places: ``"HW"`` of images."""
        return self.axes[1:].replace("C", "")

    @property
    def places(self) -> tuple[int, ...]:
        """Sizes of the places."""
        return tuple(size for size, letter in zip(self.shape[1:], self.axes[1:], strict=True) if letter != "C")

    def arranged(self, array: Array) -> Array:
        """What lies like the inputs, as ``(N, places…, C)``."""
        channel = self.axes.find("C", 1)
        return array[..., None] if channel < 0 else np.moveaxis(array, channel, -1)

    def restored(self, array: Array) -> Array:
        """The other way; contiguous."""
        channel = self.axes.find("C", 1)
        return np.ascontiguousarray(array[..., 0] if channel < 0 else np.moveaxis(array, -1, channel))

    def arranged_values(self, values: Any, axes: str) -> Array:
        """Attributions as ``(N, places…, K)``, float64: K channels of the inputs, or one.

        Parameters
        ----------
        values, axes
            Those of an explanation: like the inputs; or a map of the places, or of fewer of them, as of a layer, whose
            channels are summed.

        Raises
        ------
        InvalidArgumentError
            They are no map of the inputs.
        """
        array = np.asarray(values, np.float64)
        if array.shape == self.shape and axes == self.axes:
            return self.arranged(array)
        if len(axes) != array.ndim or array.shape[:1] != self.shape[:1]:
            raise InvalidArgumentError(f"values of shape {array.shape} ({axes}) are no map of inputs of {self.shape}")
        channel = axes.find("C", 1)
        maps = array if channel < 0 else array.sum(channel)
        if maps.ndim - 1 != len(self.places):
            raise InvalidArgumentError(
                f"values of shape {array.shape} ({axes}) are no map of the places of inputs of shape {self.shape} "
                f"({self.axes}): take a method whose values lie like the inputs, or reshape= for tokens"
            )
        return resized(maps, self.places)[..., None]

    def arranged_draws(self, draws: Any) -> Iterator[Array]:
        """Changes of the inputs that a caller gives, shape ``(draws, N, …)``, one after the other as ``(N, places…, C)``.

        Raises
        ------
        InvalidArgumentError
            They do not lie like the inputs, or there is none.
        """
        array = np.asarray(draws)
        if array.shape[1:] != self.shape or not len(array):
            raise InvalidArgumentError(f"perturbations have shape {array.shape}: it is (draws, *{self.shape})")
        return map(self.arranged, array)

    def cleared(self, array: Array) -> Array:
        """The array: every number of ``(N, places…, C)`` is one of the inputs'."""
        return array

    def arranged_mask(self, mask: Any) -> Array:
        """A mask of the inputs as booleans of shape ``(N, places…)``.

        Parameters
        ----------
        mask
            Shape ``(N, places…)``, ``(places…)`` for all samples, or that of the inputs, where any channel counts.

        Raises
        ------
        InvalidArgumentError
            It does not lie like the inputs.
        """
        array = np.asarray(mask)
        if array.shape == self.shape and len(self.places) < len(self.shape) - 1:
            return np.asarray(self.arranged(array != 0).any(-1))
        if array.shape == self.places:
            array = array[None]
        if array.shape[1:] != self.places or len(array) not in (1, self.shape[0]):
            raise InvalidArgumentError(
                f"masks have shape {array.shape}, and the inputs {self.shape} ({self.axes}): give "
                f"{(self.shape[0], *self.places)}, or {self.places} for all samples"
            )
        found: Array = np.broadcast_to(array != 0, (self.shape[0], *self.places))
        return found


def resized(maps: Array, sizes: Sequence[int]) -> Array:
    """Maps of shape ``(N, places…)`` enlarged, or made smaller, by linear interpolation, half pixels at the border."""
    found = maps
    for axis, size in enumerate(sizes, 1):
        if found.shape[axis] != size:
            found = np.moveaxis(np.moveaxis(found, axis, -1) @ _interpolating(found.shape[axis], size).T, -1, axis)
    return found


def _interpolating(before: int, after: int) -> Array:
    at = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    low = np.minimum(np.floor(at).astype(int), max(before - 2, 0))
    matrix = np.zeros((after, before))
    matrix[np.arange(after), low] = 1 - (at - low)
    matrix[np.arange(after), np.minimum(low + 1, before - 1)] += at - low
    return matrix
