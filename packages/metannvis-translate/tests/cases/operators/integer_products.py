"""What the standard says of products of eight-bit integers, in 64 bits: the reference that no processor's kernels change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["PRODUCTS"]

Array = np.ndarray[Any, Any]


def _centered(x: Array, zero: Array | None, *shape: int) -> Array:
    """``x`` less its zero point; a vector of them is given the shape first."""
    if zero is None:
        return x.astype(np.int64)
    zero = zero.astype(np.int64)
    return x.astype(np.int64) - (
        zero.reshape(shape) if zero.ndim == 1 and zero.size > 1 else zero.reshape(zero.shape or ())
    )


def _requantized(whole: Array, factor: Array, zero: Array) -> Array:
    scaled = whole * np.asarray(factor, np.float64)
    ties = np.abs(scaled - np.floor(scaled) - 0.5)
    assert ties.min() > 1e-4, "a row within rounding of a half says nothing about an importer"
    limits = np.iinfo(zero.dtype)
    return np.clip(np.rint(scaled) + zero.astype(np.float64), limits.min, limits.max).astype(zero.dtype)


def _convolved(
    x: Array,
    w: Array,
    *,
    group: int = 1,
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
) -> Array:
    """A convolution window by window; ``x`` of shape (N, C, …), ``w`` of shape (M, C / group, …)."""
    rank = x.ndim - 2
    pads, strides, dilations = pads or [0] * 2 * rank, strides or [1] * rank, dilations or [1] * rank
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in strides) + tuple(slice(None, None, d) for d in dilations)
    windows = windows[(slice(None), slice(None), *steps)]
    inner = tuple(range(2 + rank, 2 + 2 * rank))
    maps = []
    for part, kernels in zip(np.split(windows, group, 1), np.split(w, group), strict=True):
        maps.append(np.moveaxis(np.tensordot(part, kernels, ((1, *inner), tuple(range(1, w.ndim)))), -1, 1))
    return np.concatenate(maps, axis=1)


def matmul_integer(a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None) -> Array:
    return (_centered(a, a_zero, -1, 1) @ _centered(b, b_zero, -1)).astype(np.int32)


def qlinear_matmul(
    a: Array, a_scale: Array, a_zero: Array, b: Array, b_scale: Array, b_zero: Array, y_scale: Array, y_zero: Array
) -> Array:
    whole = _centered(a, a_zero, -1, 1) @ _centered(b, b_zero, -1)
    rows = a_scale.reshape(-1, 1) if a_scale.size > 1 else a_scale
    return _requantized(whole, rows * b_scale / y_scale, y_zero)


def conv_integer(x: Array, w: Array, x_zero: Array | None = None, w_zero: Array | None = None, **windows: Any) -> Array:
    ones = [1] * (w.ndim - 1)
    return _convolved(_centered(x, x_zero), _centered(w, w_zero, -1, *ones), **windows).astype(np.int32)


def qlinear_conv(
    x: Array, x_scale: Array, x_zero: Array, w: Array, w_scale: Array, w_zero: Array, y_scale: Array, y_zero: Array,
    bias: Array | None = None, **windows: Any,
) -> Array:  # fmt: skip
    ones = [1] * (w.ndim - 2)
    whole = _convolved(_centered(x, x_zero), _centered(w, w_zero, -1, 1, *ones), **windows)
    if bias is not None:
        whole = whole + bias.astype(np.int64).reshape(-1, *ones)
    return _requantized(whole, (x_scale * w_scale / y_scale).reshape(-1, *ones), y_zero)


#: Operator -> its formula, on the node's inputs (None where one is left out) and attributes.
PRODUCTS: dict[str, Callable[..., Array]] = {
    "MatMulInteger": matmul_integer,
    "QLinearMatMul": qlinear_matmul,
    "ConvInteger": conv_integer,
    "QLinearConv": qlinear_conv,
}
