"""Axes: letters for what each axis of a tensor is."""

from __future__ import annotations

__all__ = ["SPATIAL", "image_axes", "with_channels_first", "with_channels_last"]

SPATIAL = "LHWD"


_SPACE = {3: "L", 4: "HW", 5: "DHW"}


def image_axes(rank: int, *, channels_last: bool = False) -> str:
    """``"NCHW"``, ``"NHWC"`` and so on; ``""`` for a rank that is no image's."""
    space = _SPACE.get(rank)
    if space is None:
        return ""
    return f"N{space}C" if channels_last else f"NC{space}"


def with_channels_first(axes: str) -> tuple[int, ...] | None:
    """The order in which axes so named lie channels first; ``None`` if they name no channels beside space."""
    return _with_channels_at(axes, 1)


def with_channels_last(axes: str) -> tuple[int, ...] | None:
    """The order in which axes so named lie channels last; ``None`` if they name no channels beside space."""
    return _with_channels_at(axes, len(axes) - 1)


def _with_channels_at(axes: str, position: int) -> tuple[int, ...] | None:
    if axes.count("C") != 1 or not any(letter in SPATIAL for letter in axes):
        return None
    channel = axes.index("C")
    order = [k for k in range(len(axes)) if k != channel]
    order.insert(position, channel)
    return tuple(order)
