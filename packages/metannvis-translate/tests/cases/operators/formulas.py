"""Parts of formulas that rows of several families of operators are held against."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array

__all__ = ["as_float32", "erf", "erfc", "split_heads"]

erf, erfc = np.vectorize(math.erf), np.vectorize(math.erfc)


def as_float32(value: float) -> float:
    """An attribute's value as ONNX keeps it, in single precision."""
    return float(np.float32(value))


def split_heads(x: Array, heads: int) -> Array:
    """Tokens of shape (N, tokens, heads · size) as (N, heads, tokens, size)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)
