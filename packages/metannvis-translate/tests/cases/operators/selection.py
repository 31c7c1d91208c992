"""Rows of selections whose result depends on values: conditions, distinct values, boxes, sequences' lengths."""

from __future__ import annotations

import numpy as np

from .arrays import TIED, float32s, ints, uniform
from .case import Case

__all__ = ["CASES"]

REPEATED = np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 2.0], [2.0, 1.0, 2.0]])

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
]  # fmt: skip
