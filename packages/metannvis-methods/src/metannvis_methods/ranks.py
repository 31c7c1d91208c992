"""Ranks: places of numbers in their order, ties sharing their mean place."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ranks"]

Array = np.ndarray[Any, Any]


def ranks(values: Array) -> Array:
    """Ranks from 0 of the smallest, ties sharing their mean rank; shape ``(values.size,)``, float64."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    found: Array = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return found
