"""Rows of type conversions."""

from __future__ import annotations

import numpy as np

from .arrays import uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("Cast", (uniform(2, 5),), {"to": 7}, 13, tag="int64"),
    Case("Cast", (np.array([[1, 2]]),), {"to": 11}, 13, tag="double"),
    Case("CastLike", (np.array([[1, 2]]), uniform(1, 2)), {}, 15, 2),
]  # fmt: skip
