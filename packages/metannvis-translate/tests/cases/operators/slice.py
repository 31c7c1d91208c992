"""Rows of cutting tensors and joining them."""

from __future__ import annotations

from .arrays import IMAGE, ints, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("Concat", (uniform(2, 3, 4), uniform(2, 2, 4)), {"axis": 1}, 13, 2),
    Case("Concat", (uniform(2, 3), uniform(2, 2)), {"axis": -1}, 13, 1, tag="constant", batch_is_free=False),
    Case("Concat", (uniform(2, 3), uniform(2, 2)), {"axis": 1}, 13, tag="weight", batch_is_free=False),
    Case("Split", (uniform(2, 5, 4), ints(2, 3)), {"axis": 1}, 13, outputs=2),
    Case("Split", (uniform(2, 5, 4),), {"axis": 1, "num_outputs": 3}, 18, outputs=3, tag="uneven"),
    Case("Split", (uniform(2, 4),), {"axis": -1, "split": [1, 3]}, 11, outputs=2, tag="attribute"),
    Case("Split", (uniform(2, 6),), {"axis": 1}, 13, outputs=3, tag="equal"),
    Case("Slice", (uniform(2, 6, 7), ints(1, -3), ints(5, 100), ints(1, 2), ints(2, 1)), {}, 13),
    Case("Slice", (uniform(2, 6), ints(-1), ints(-100), ints(1), ints(-2)), {}, 13, tag="backwards"),
    Case("Slice", (uniform(2, 6),), {"starts": [1], "ends": [-1], "axes": [1]}, 9, tag="attribute"),
    Case("Slice", (uniform(2, 6, 5), ints(4, 0), ints(0, 3), ints(1, 2), ints(-1, 2)), {}, 13, tag="mixed"),
    Case("Slice", (uniform(2, 6), ints(0), ints(9)), {}, 13, tag="batch"),
    Case("CenterCropPad", (IMAGE, ints(12, 4)), {"axes": [2, 3]}, 18),
]  # fmt: skip
