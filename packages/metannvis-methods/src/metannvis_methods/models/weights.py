"""Weights of a model's layers, as what is drawn anew sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Weight"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Weight:
    """One floating weight of a layer.

    Attributes
    ----------
    read
        Gives what it is, float64, a copy.
    assign
        Puts an array of that shape in its place.
    """

    read: Callable[[], Array]
    assign: Callable[[Array], None]
