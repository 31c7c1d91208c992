"""Token grids: the patches of an image that the tokens of a layer stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metannvis_translate import LayerInfo

__all__ = ["Grid", "found_grid", "image_grids", "patch_tokens"]

Array = np.ndarray[Any, Any]
#: Most tokens that stand before those of patches: a class token, one of distillation, registers.
PREFIX = 16
#: How much smaller than that of the patches the grid of a later stage may be, along each axis.
STRIDES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Grid:
    """Tokens that lie row after row on a grid, behind some that stand for no place."""

    prefix: int
    height: int
    width: int

    @property
    def channel(self) -> int:
        """The axis of the layer's output that counts channels."""
        return 2

    def __call__(self, array: Array) -> Array:
        """``(N, T, C)`` as ``(N, height, width, C)``."""
        patches = array[:, self.prefix : self.prefix + self.height * self.width]
        return patches.reshape(len(array), self.height, self.width, array.shape[-1])


def patch_tokens(infos: Sequence[LayerInfo], name: str) -> Callable[[Array], Array] | None:
    """The tokens of a layer that stand for places, ``(N, T, C)`` to ``(N, t, C)``; ``None`` if it has no grid of them."""
    info = next((info for info in infos if info.name == name), None)
    if info is None or len(info.shape) != 3 or not info.shape[1]:
        return None
    found = found_grid(infos, name, info.shape[1])
    if found is None:
        return None
    prefix = found.prefix
    return lambda array: array[:, prefix:]


def found_grid(infos: Sequence[LayerInfo], name: str, tokens: int) -> Grid | None:
    """The grid of the patches, by the last convolution before the layer; else a square."""
    sizes = _convolved(infos, name)
    for grid in reversed(sizes):
        for stride in STRIDES:
            height, width = (math.ceil(size / stride) for size in grid)
            if height * width > 1 and 0 <= tokens - height * width <= (PREFIX if stride == 1 else 0):
                return Grid(tokens - height * width, height, width)
    for prefix in (0, 1):
        side = math.isqrt(tokens - prefix)
        if not sizes and side * side == tokens - prefix and side > 1:
            return Grid(prefix, side, side)
    return None


def image_grids(infos: Sequence[LayerInfo], name: str) -> set[tuple[int, int]]:
    """Heights and widths that a map at a layer may have: those of the convolutions before it, and of later stages."""
    return {
        (math.ceil(height / stride), math.ceil(width / stride))
        for height, width in _convolved(infos, name)
        for stride in STRIDES
    }


def _convolved(infos: Sequence[LayerInfo], name: str) -> list[tuple[int, int]]:
    """Height and width of what convolutions before a layer return, in the order in which they run."""
    before = infos[: next((k for k, info in enumerate(infos) if info.name == name), 0)]
    sizes = [_space(info) for info in before if info.role == "convolution" and not info.parent]
    return [size for size in sizes if size is not None]


def _space(info: LayerInfo) -> tuple[int, int] | None:
    """Height and width of a map."""
    if "H" not in info.axes or "W" not in info.axes or len(info.axes) != len(info.shape):
        return None
    height, width = info.shape[info.axes.index("H")], info.shape[info.axes.index("W")]
    return (height, width) if height and width else None
