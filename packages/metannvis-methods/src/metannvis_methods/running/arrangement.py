"""Arrangements: how the output of a layer lies on the image, where it is no map with its framework's channels axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.registry.toolset import Arrangement
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.token_grid import Grid, found_grid, image_grids

if TYPE_CHECKING:
    from metannvis_translate import LayerRow

__all__ = ["arrangement"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moved:
    """Axes in another order: ``(N, …)`` with the channels moved to the end."""

    channel: int

    def __call__(self, array: Array) -> Array:
        """``(N, C, …)`` as ``(N, …, C)``."""
        return np.moveaxis(array, self.channel, -1)


@dataclass(frozen=True)
class ByFunction:
    """What a caller's function makes of it, which gets a tensor of the caller's framework."""

    function: Callable[[Any], Any]
    to_caller: Callable[[Array], Any]
    channels_last: bool
    channel: int

    def __call__(self, array: Array) -> Array:
        """Whatever the function returns, its channels at the end."""
        found = to_numpy(self.function(self.to_caller(array)))
        if found.ndim < 3 or len(found) != len(array):
            raise InvalidArgumentError(
                f"reshape returned shape {found.shape} for a layer's output of shape {array.shape}: it returns a map for each "
                "sample, with the channels where the model's framework has them"
            )
        return found if self.channels_last else np.moveaxis(found, 1, -1)


def arrangement(prepared: Prepared, home: ModelAdapter, reshape: Any) -> Arrangement | None:
    """What brings the output of the layer, in the layout of the model that runs, to ``(N, places…, C)``.

    ``None``: it is a map as the framework has them, which the toolkit knows.

    Parameters
    ----------
    home
        Adapter of the caller's framework.
    reshape
        ``None`` or ``"auto"``; ``(h, w)``; or a function of the layer's output, in the caller's framework and layout.

    Raises
    ------
    InvalidArgumentError
        The tokens are on no grid that can be found, or not on that one.
    """
    row = prepared.row
    if row is None or not row.source.shape:
        return None
    axes, shape = _target_axes(row), tuple(row.target.shape or row.source.shape)
    if callable(reshape):
        from metannvis_translate.frameworks import get_framework

        back = get_framework(home.key).from_numpy if home.key else np.asarray
        channel = _channel(axes, len(shape), last=prepared.adapter.channels_last)
        return ByFunction(reshape, lambda array: back(_to_caller(row, array)), home.channels_last, channel)
    if len(shape) == 3 and (axes in ("NTF", "N??", "NT?") or reshape not in (None, "auto")):
        return _grid(prepared, row.source.name, shape[1], reshape)
    if reshape not in (None, "auto"):
        raise InvalidArgumentError(
            f"reshape={reshape!r} is for tokens, and layer {row.source.name!r} returns shape {shape} ({axes})"
        )
    last = prepared.adapter.channels_last
    if "C" in axes and len(axes) == len(shape) > 2:
        channel = axes.index("C")
        return None if channel == (len(shape) - 1 if last else 1) else Moved(channel)
    if len(shape) == 4 and "?" in axes and any(_is_image(letters) for letters in _input_axes(prepared)):
        return _by_sizes(prepared, row.source.name, shape)
    return None


def _channel(axes: str, rank: int, *, last: bool) -> int:
    """Which axis of a layer's output counts channels: the features of tokens are channels."""
    for letter in "CF":
        if letter in axes:
            return axes.index(letter)
    return rank - 1 if last or rank == 3 else 1


def _by_sizes(prepared: Prepared, name: str, shape: tuple[int | None, ...]) -> Moved:
    """Where the channels are in a map whose axes are not known: the others are as many as a grid of the image's patches has."""
    grids = image_grids([row.source for row in prepared.layers()], name)
    channels = [channel for channel in (1, 3) if tuple(shape[k] for k in (1, 2, 3) if k != channel) in grids]
    if len(channels) != 1:
        raise InvalidArgumentError(
            f"layer {name!r} returns shape {shape}, and it cannot be told which of its axes are places and which is channels: "
            "give reshape=, a function of what it returns that returns maps with the channels where the framework has them"
        )
    return Moved(channels[0])


def _target_axes(row: LayerRow) -> str:
    """Axes of the layer's output in the model that runs, by those of the caller's."""
    axes, order = row.source.axes, row.permutation
    if order is not None and len(order) == len(axes):
        return "".join(axes[k] for k in order)
    return row.target.axes or axes


def _to_caller(row: LayerRow, array: Array) -> Array:
    order = row.permutation
    if order is None or len(order) != array.ndim:
        return array
    return np.ascontiguousarray(np.transpose(array, np.argsort(order)))


def _grid(prepared: Prepared, name: str, tokens: int | None, reshape: Any) -> Grid | Moved | None:
    infos = [row.source for row in prepared.layers()]
    if reshape in (None, "auto") and not any(_is_image(axes) for axes in _input_axes(prepared)):
        # tokens of a text lie on no image, but one after the other, where a toolkit may look for channels
        return None if prepared.adapter.channels_last else Moved(2)
    if tokens is None:
        raise InvalidArgumentError(f"layer {name!r} returns any number of tokens: say how they lie with reshape=(h, w)")
    if reshape in (None, "auto"):
        found = found_grid(infos, name, tokens)
        if found is None:
            raise InvalidArgumentError(
                f"layer {name!r} returns {tokens} tokens, and no layer of patches says how they lie: say it with reshape=(h, w)"
            )
        return found
    sizes = tuple(reshape) if isinstance(reshape, (tuple, list)) else ()
    if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise InvalidArgumentError(f"reshape is 'auto', (h, w), or a function of the layer's output, not {reshape!r}")
    prefix = tokens - sizes[0] * sizes[1]
    if prefix < 0:
        raise InvalidArgumentError(f"layer {name!r} returns {tokens} tokens, fewer than {sizes[0]} × {sizes[1]}")
    return Grid(prefix, *sizes)


def _input_axes(prepared: Prepared) -> tuple[str, ...]:
    if prepared.translation is not None:
        return tuple(port.axes for port in prepared.translation.inputs)
    shapes = [tuple(x.shape) for x in prepared.examples]
    told = prepared.described().input_axes
    return tuple(told) or tuple(prepared.adapter.input_axes(prepared.source, shape) for shape in shapes)


def _is_image(axes: str) -> bool:
    return "H" in axes and "W" in axes
