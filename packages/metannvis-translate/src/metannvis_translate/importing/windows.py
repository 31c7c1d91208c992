"""Sliding windows: padding, output sizes and extents of convolutions and pools, per spatial axis.

Pads are pairs (begin, end), one an axis. ONNX writes them flat, all beginnings and then all ends: see :func:`pairs` and
:func:`flat`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "Pads",
    "adaptive_windows",
    "axis_pads",
    "ceil_mode_pads",
    "explicit_pads",
    "extents",
    "extra_end",
    "flat",
    "halves",
    "pad_index",
    "pairs",
    "same_pads",
    "steps",
    "transposed_pads",
    "unpooled_sizes",
    "window_counts",
]

Array = np.ndarray[Any, Any]
Pads = list[tuple[int, int]]


def pairs(pads: Sequence[int]) -> Pads:
    """ONNX's flat pads as (begin, end) an axis."""
    n = len(pads) // 2
    return [(int(pads[i]), int(pads[i + n])) for i in range(n)]


def flat(pads: Pads) -> tuple[int, ...]:
    """Pads (begin, end) an axis as ONNX writes them."""
    return (*(begin for begin, _ in pads), *(end for _, end in pads))


def steps(
    strides: Sequence[int] | None, dilations: Sequence[int] | None, n: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations of ``n`` axes, 1 each where the node has none."""
    return tuple(strides or (1,) * n), tuple(dilations or (1,) * n)


def extents(kernel: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    """Sizes of a window with its gaps."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))


def window_counts(
    sizes: Sequence[int], pads: Pads, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...]:
    """Number of windows along each axis of an image with these pads."""
    rows = zip(sizes, pads, extents(kernel, dilations), strides, strict=True)
    return tuple((size + sum(pad) - extent) // s + 1 for size, pad, extent, s in rows)


def halves(total: int, *, lower: bool = False) -> tuple[int, int]:
    """A padding (begin, end) of that much together; what is odd lies at the end, with ``lower`` at the beginning."""
    small = total // 2
    return (total - small, small) if lower else (small, total - small)


def same_pads(size: int | None, kernel: int, stride: int, dilation: int = 1, *, lower: bool = False) -> tuple[int, int]:
    """The padding (begin, end) of ``SAME_UPPER`` (or ``lower``), which keeps ``ceil(size / stride)`` outputs.

    With a stride of 1 it depends on no size, which may be ``None`` then.
    """
    extent = (kernel - 1) * dilation + 1
    steps = 0 if size is None else (math.ceil(size / stride) - 1) * stride - size
    total = extent - 1 if size is None else max(steps + extent, 0)
    return halves(total, lower=lower)


def explicit_pads(
    auto_pad: str,
    pads: Sequence[int] | None,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pads | None:
    """ONNX's ``auto_pad`` and ``pads`` as (begin, end) an axis; ``None`` if a size is free that ``auto_pad`` asks for."""
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        if any(size is None and s != 1 for size, s in zip(sizes, strides, strict=True)):
            return None
        lower = auto_pad == "SAME_LOWER"
        rows = zip(sizes, kernel, strides, dilations, strict=True)
        return [same_pads(size, k, s, d, lower=lower) for size, k, s, d in rows]
    if auto_pad == "VALID" or not pads:
        return [(0, 0)] * len(kernel)
    return pairs(pads)


def transposed_pads(
    auto_pad: str,
    pads: Sequence[int] | None,
    output_shape: Sequence[int] | None,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    output_padding: Sequence[int],
) -> Pads | None:
    """What a transposed convolution cuts off each axis (begin, end): by ``pads``, or to come to ``output_shape`` or ``SAME``.

    Negative where ``output_shape`` is larger than the result. ``None`` if it is given while a size is free.
    """
    if not output_shape and auto_pad in ("NOTSET", "VALID"):
        return pairs(pads) if pads and auto_pad == "NOTSET" else [(0, 0)] * len(kernel)
    lower, extent = auto_pad != "SAME_UPPER", extents(kernel, dilations)
    if not output_shape:
        return [halves(more + k - s, lower=lower) for more, k, s in zip(output_padding, extent, strides, strict=True)]
    rows = zip(sizes, extent, strides, output_padding, output_shape[-len(extent) :], strict=True)
    found = []
    for size, k, s, more, wanted in rows:
        if size is None:
            return None
        found.append(halves(s * (size - 1) + more + k - int(wanted), lower=lower))
    return found


def extra_end(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Padding at the end that makes ``ceil_mode`` an ordinary pool; 0 where the last window would start in it.

    A window that would begin beyond the input and its padding at the beginning is left out.
    """
    reach = (kernel - 1) * dilation + 1
    padded = size + sum(pads)
    out = math.ceil((padded - reach) / stride) + 1
    if (out - 1) * stride >= size + pads[0]:
        out -= 1
    return max((out - 1) * stride + reach - padded, 0)


def ceil_mode_pads(
    pads: Pads, sizes: Sequence[int | None], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads:
    """Pads with which a pool that rounds down gives what one that rounds up gives with these; a free size keeps its own."""
    rows = zip(sizes, kernel, strides, dilations, pads, strict=True)
    return [pad if size is None else (pad[0], pad[1] + extra_end(size, k, s, d, pad)) for size, k, s, d, pad in rows]


def unpooled_sizes(sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], pads: Pads) -> tuple[int, ...]:
    """Sizes of the image that a pool with these windows made one of ``sizes`` of."""
    rows = zip(sizes, kernel, strides, pads, strict=True)
    return tuple((size - 1) * s + k - sum(pad) for size, k, s, pad in rows)


def adaptive_windows(size: int, count: int) -> list[tuple[int, int]]:
    """Beginning and end of each window of a pool to ``count`` elements along one axis; some may overlap."""
    return [(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]


def axis_pads(pads: Sequence[int], axes: Sequence[int] | None, rank: int) -> Pads:
    """ONNX's pads of some axes, all if ``None``, as (begin, end) of every axis."""
    found = [(0, 0)] * rank
    chosen = range(rank) if axes is None else axes
    for axis, pad in zip(chosen, pairs(pads), strict=True):
        found[axis % rank] = pad
    return found


def pad_index(size: int, pad: tuple[int, int], mode: str) -> Array:
    """Which element of an axis lies where after padding it by others of its own elements, shape (padded size,), int64.

    ``mode`` is ``"reflect"``, ``"edge"`` or ``"wrap"``; a negative amount cuts.
    """
    begin, end = pad
    if mode == "edge":  # what is cut off is repeated where nothing else is left
        return np.clip(np.arange(-begin, size + end), 0, size - 1).astype(np.int64)
    left = np.arange(max(-begin, 0), size - max(-end, 0))  # what is cut off is not there to be repeated
    return np.pad(left, (max(begin, 0), max(end, 0)), mode=mode).astype(np.int64)  # type: ignore[call-overload]
