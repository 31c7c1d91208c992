"""Rows of selections whose result depends on values: conditions, distinct values, boxes, sequences' lengths."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, TIED, float32s, ints, uniform
from .case import Case

__all__ = ["CASES"]

REPEATED = np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 2.0], [2.0, 1.0, 2.0]])

#: Boxes of two images, some turned over, some equal, and scores of three classes with ties.
_BOXES = float32s(
    np.concatenate([uniform(2, 12, 4, low=0, high=1), uniform(2, 3, 4, low=0, high=1), np.full((2, 2, 4), 0.25)], 1),
    np.round(uniform(2, 3, 17, low=0, high=1), 1),
)

CASES: list[Case] = [
    Case("NonZero", (np.array([[0.0, 1.0, 2.0], [3.0, 0.0, -1.0]]),), {}, 13, batch_is_free=False),
    Case("NonZero", (TIED,), opset=13),
    Case("Compress", (uniform(3, 4), np.array([True, False, True])), {"axis": 0}, 11, 2, batch_is_free=False),
    Case("Compress", (uniform(3, 4), np.array([False, True, True, False, True])), {}, 11, 2, tag="flat", batch_is_free=False),
    Case("Compress", (uniform(3, 5), np.array([True, False, True, True])), {"axis": 1}, opset=11, dynamic=2, batch_is_free=False),
    Case("Compress", (uniform(3, 5), np.array([True, False, True, True])), opset=11, dynamic=2, batch_is_free=False, tag="flat"),
    Case("Unique", (np.array([2.0, 1.0, 1.0, 3.0, 4.0, 3.0]),), {"sorted": 0}, 11, outputs=4, tag="as-they-come", batch_is_free=False),
    Case("Unique", (np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]),), {"axis": 0}, 11, outputs=4, tag="rows", batch_is_free=False),
    Case("Unique", (REPEATED,), opset=11, outputs=4, batch_is_free=False),
    Case("Unique", (REPEATED,), {"axis": 0}, opset=11, outputs=4, batch_is_free=False, tag="rows"),
    Case("Unique", (REPEATED,), {"axis": 1, "sorted": 1}, opset=11, outputs=4, batch_is_free=False, tag="columns"),
    Case("ReverseSequence", (uniform(4, 3, 2), ints(4, 1, 3)), {}, 10, 2, batch_is_free=False),
    Case("ReverseSequence", (uniform(3, 4, 2), ints(4, 1, 3)), {"batch_axis": 0, "time_axis": 1}, 10, 2, tag="batch-first", batch_is_free=False),
    Case("ReverseSequence", (uniform(3, 4, 2), ints(1, 4, 3)), {"time_axis": 1, "batch_axis": 0}, opset=10, dynamic=2),
    Case("NonMaxSuppression", (*float32s([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [1, 1, 0, 0], [0, 10, 1, 11]]], [[[0.9, 0.75, 0.6, 0.95]]]), ints(3), *float32s([0.5], [0.0])), {}, 11, 2, keep=(0, 1, 2, 3, 4), batch_is_free=False),
    *(
        Case("NonMaxSuppression", (*_BOXES, ints(most), *float32s([overlap], [least])), {"center_point_box": centre}, 11, 2, keep=(0, 1, 2, 3, 4), tag=tag, batch_is_free=False)
        for tag, most, overlap, least, centre in (("all", 100, 0.5, -1.0, 0), ("few", 2, 0.2, 0.4, 0), ("centres", 5, 0.3, 0.2, 1), ("none", 0, 0.5, 0.0, 0))
    ),
    Case("NonMaxSuppression", (*_BOXES, ints(4)), {}, 10, 3, keep=(0, 1, 2), tag="computed-limit", batch_is_free=False),
    Case("NonMaxSuppression", _BOXES, {}, 11, 2, keep=(0, 1), tag="no-limit", batch_is_free=False),
    Case("Unique", (np.concatenate([BIG, BIG]),), {}, 11, outputs=4, tag="uint64", batch_is_free=False),
]  # fmt: skip
