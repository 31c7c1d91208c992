"""Gaussian blur of tensors along their places, as a matrix an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.toolset import MethodCall

__all__ = ["blurred", "blurring", "places_to_blur"]

#: Standard deviations at which the bell is cut off, as SciPy does it.
TRUNCATE = 4.0


def blurring(size: int, sigma: float, *, edges: bool) -> np.ndarray:
    """Matrix of a Gaussian blur of ``size`` numbers, float64.

    ``edges``: what lies beyond an end is the number there; else it is 0.
    """
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.ones(1)
    bell /= bell.sum()
    at = np.arange(size)[:, None] + offsets
    matrix = np.zeros((size, size))
    inside = (at >= 0) & (at < size)
    weights = np.where(inside | edges, bell, 0.0)
    np.add.at(matrix, (np.broadcast_to(np.arange(size)[:, None], at.shape), at.clip(0, size - 1)), weights)
    return matrix


def blurred(tensor: torch.Tensor, places: Sequence[int], sigma: float, *, edges: bool = False) -> torch.Tensor:
    """A tensor blurred along some of its axes."""
    for axis in places:
        matrix = torch.from_numpy(blurring(tensor.shape[axis], sigma, edges=edges)).to(tensor)
        tensor = torch.moveaxis(torch.moveaxis(tensor, axis, -1) @ matrix.T, -1, axis)
    return tensor


def places_to_blur(call: MethodCall, place: int = 0) -> tuple[int, ...]:
    """Axes of an input that are places.

    Raises
    ------
    InvalidArgumentError
        It has none.
    """
    axes = call.axes[place]
    found = tuple(k for k, letter in enumerate(axes) if letter not in "NCF")
    if not found:
        raise InvalidArgumentError(
            f"{call.spec.key} blurs an input along its places, and input {place} ({axes}) has none: it is for images, signals "
            "and volumes"
        )
    return found
