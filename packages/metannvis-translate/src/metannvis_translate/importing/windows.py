"""Sliding windows: padding and output sizes of convolutions and pools, per spatial axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


__all__ = ["adaptive_windows", "explicit_pads", "extra_end", "same_pads"]

Pads = list[tuple[int, int]]


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1, *, lower: bool = False) -> tuple[int, int]:
    """Padding (begin, end) with which TensorFlow's ``same`` keeps ``ceil(size / stride)`` outputs."""
    reach = (kernel - 1) * dilation + 1
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    small = total // 2
    return (total - small, small) if lower else (small, total - small)


def explicit_pads(
    auto_pad: str,
    pads: Sequence[int] | None,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pads | None:
    """ONNX's ``auto_pad`` and ``pads`` as (begin, end) an axis; ``None`` if it depends on a size that is free."""
    n = len(kernel)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        if any(size is None for size in sizes):
            return None
        lower = auto_pad == "SAME_LOWER"
        rows = zip(sizes, kernel, strides, dilations, strict=True)
        return [same_pads(int(size or 0), k, s, d, lower=lower) for size, k, s, d in rows]
    if auto_pad == "VALID" or not pads:
        return [(0, 0)] * n
    return [(int(pads[i]), int(pads[i + n])) for i in range(n)]


def extra_end(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Padding at the end that makes ``ceil_mode`` an ordinary pool; 0 where the last window would start in it.

    ONNX and PyTorch leave out a window that would begin beyond the input and its padding at the beginning.
    """
    reach = (kernel - 1) * dilation + 1
    padded = size + sum(pads)
    out = math.ceil((padded - reach) / stride) + 1
    if (out - 1) * stride >= size + pads[0]:
        out -= 1
    return max((out - 1) * stride + reach - padded, 0)


def adaptive_windows(size: int, count: int) -> list[tuple[int, int]]:
    """Beginning and end of each window of an adaptive pool along one axis, as PyTorch cuts them; some may overlap."""
    return [(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]
