"""Rows of writing at indices."""

from __future__ import annotations

import numpy as np

from .arrays import ints, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("TensorScatter", (uniform(2, 3, 5, 4), uniform(2, 3, 2, 4), ints(1, 3)), {}, 24, 3, batch_is_free=False),
    Case("TensorScatter", (uniform(2, 3, 5, 4), uniform(2, 3, 2, 4), ints(4, 3)), {"mode": "circular"}, 24, 3, tag="circular", batch_is_free=False),
    Case("TensorScatter", (uniform(2, 5, 3), uniform(2, 2, 3), ints(3, 1)), opset=24, dynamic=3, batch_is_free=False),
    Case("TensorScatter", (uniform(2, 5, 3), uniform(2, 2, 3), ints(4, 1)), {"mode": "circular"}, opset=24, dynamic=3,
         batch_is_free=False, tag="circular"),
    Case("ScatterND", (uniform(4, 3), np.array([[1], [-1], [1]]), uniform(3, 3)), {"reduction": "max"}, 18, 3, tag="max", batch_is_free=False),
    Case("ScatterND", (uniform(4, 3, 2), np.array([[1], [-1]]), uniform(2, 3, 2)), opset=11, dynamic=3, batch_is_free=False),
    *(
        Case("ScatterND", (uniform(4, 3, 2), np.array([[1, 2], [1, 2], [0, -1]]), uniform(3, 2)), {"reduction": how}, opset=18,
             dynamic=3, batch_is_free=False, tag=how)
        for how in ("add", "mul", "max", "min")
    ),
    Case("ScatterND", (uniform(4, 3), np.array([[1], [-1]]), uniform(2, 3)), {}, 16, 3, batch_is_free=False),
    Case("ScatterND", (uniform(4, 3), np.array([[1], [3]]), uniform(2, 3)), {"reduction": "add"}, 16, 3, tag="add", batch_is_free=False),
    Case("ScatterElements", (uniform(2, 3), np.array([[0, -1]]), uniform(1, 2)), {"axis": 1, "reduction": "mul"}, 18, 3, tag="mul", batch_is_free=False),
    Case("ScatterElements", (uniform(3, 5), np.array([[0, -1], [2, 3]]), uniform(2, 2)), {"axis": 1}, opset=11, dynamic=3,
         batch_is_free=False),
    *(
        Case("ScatterElements", (uniform(3, 5), np.array([[0, 0], [2, 3]]), uniform(2, 2)), {"axis": 1, "reduction": how},
             opset=18, dynamic=3, batch_is_free=False, tag=how)
        for how in ("add", "mul", "max", "min")
    ),
    Case("ScatterElements", (uniform(2, 3), np.array([[0, 2]]), uniform(1, 2)), {"axis": 1}, 16, 3, batch_is_free=False),
    Case("ScatterElements", (uniform(2, 3), np.array([[0, -1]]), uniform(1, 2)), {"axis": 1, "reduction": "add"}, 16, 3, tag="add", batch_is_free=False),
    Case("Scatter", (uniform(2, 3), np.array([[0, 2]]), uniform(1, 2)), {"axis": 1}, 9, 3, batch_is_free=False),
    Case("Scatter", (uniform(3, 5), ints(1, 3)[None], uniform(1, 2)), {"axis": 1}, opset=9, dynamic=3, batch_is_free=False),
]  # fmt: skip
