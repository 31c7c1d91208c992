"""Slices: which elements of an axis are taken, in which parts it is split, what lies around its middle."""

from __future__ import annotations

__all__ = ["center_pads", "split_sizes", "taken"]


def taken(start: int, end: int, step: int, size: int) -> range:
    """Which elements of an axis a slice takes, in Python's sense; backwards, an end before the axis means all of it."""
    return range(size)[start : None if step < 0 and end < -size else end : step]


def split_sizes(size: int, count: int) -> list[int]:
    """Sizes of so many equal parts of an axis, the last one smaller if they do not fit."""
    each = -(-size // count)
    return [min(each, size - k * each) for k in range(count)]


def center_pads(size: int, wanted: int) -> tuple[int, int]:
    """Padding (begin, end), negative where it cuts, around the middle of an axis; what is odd lies at the end."""
    more = wanted - size
    begin = more // 2 if more > 0 else -(-more // 2)
    return begin, more - begin
