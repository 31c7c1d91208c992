"""Rows of reading at indices: gathering, the largest values, one-hot vectors."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, integers, ints, uniform
from .case import Case

__all__ = ["CASES"]

_TIES = np.array([[2.0, 5, 5, -1, 2, 7], [0, 0, 3, 3, -4, 0]])

CASES: list[Case] = [
    Case("Gather", (uniform(2, 5, 3), ints(3, 0, -1)), {"axis": 1}, 13),
    Case("Gather", (uniform(2, 5, 3), np.array(2)), {"axis": 1}, 13, tag="single"),
    Case("Gather", (uniform(2, 5, 3), np.array([[3, 0], [1, -1]])), {"axis": 1}, 13, 2, tag="computed", batch_is_free=False),
    Case("Gather", (uniform(2, 5, 3), np.array(-2)), {"axis": -1}, 13, tag="negative"),
    *(
        Case(
            "Argsort", (np.asarray(_TIES),), {"axis": 1, "descending": down}, 20, tag=tag, domain="metannvis",
            formula=lambda x, sign=sign: np.argsort(sign * x, 1, kind="stable"),
        )
        for down, sign, tag in ((0, 1, "up"), (1, -1, "down"))
    ),
    Case("TopK", (uniform(2, 6, 3),), {"axis": 1, "k": 2}, 9, outputs=2, tag="attribute"),
    Case("TopK", (_TIES, ints(4)), {}, 11, outputs=2),
    Case("TopK", (_TIES, ints(4)), {"largest": 0}, 11, outputs=2, tag="smallest"),
    Case("TopK", (_TIES.astype(np.int64), ints(2)), {"largest": 0, "axis": 0}, 11, outputs=2, tag="integers", batch_is_free=False),
    Case("TopK", (np.array([[1.0, 3.0, 3.0, 2.0]]), ints(2)), {}, 11, outputs=2, tag="ties", batch_is_free=False),
    Case("TopK", (uniform(2, 7), ints(3)), {}, 11, outputs=2),
    Case("TopK", (uniform(2, 7, 2), ints(2)), {"axis": 1, "largest": 0}, 11, outputs=2, tag="smallest"),
    Case("GatherND", (uniform(2, 3, 4), np.array([[1], [-1]])), {"batch_dims": 1}, 13, 2, tag="batch", batch_is_free=False),
    Case("GatherND", (uniform(4, 5, 2), integers(3, 2, low=-4, high=4)), opset=13, dynamic=2, batch_is_free=False),
    Case("GatherND", (uniform(2, 5, 4), integers(2, 3, 1, low=-5, high=5)), {"batch_dims": 1}, opset=13, dynamic=2,
         batch_is_free=False, tag="batch"),
    Case("GatherND", (uniform(2, 3, 4), np.array([[0, 1], [1, -1]])), {}, 13, 2, batch_is_free=False),
    Case("GatherElements", (uniform(3, 5), integers(3, 2, low=-5, high=5)), {"axis": 1}, opset=13, dynamic=2),
    Case("GatherElements", (uniform(3, 5), integers(2, 2, low=-3, high=3)), opset=13, dynamic=2, batch_is_free=False, tag="fewer"),
    Case("GatherElements", (uniform(2, 3), np.array([[0, 2, -1], [1, 1, 0]])), {"axis": 1}, 13, 2),
    Case("OneHot", (np.array([[1, -1], [7, 0]]), np.array(4), np.array([-1.0, 2.0])), {"axis": 1}, opset=11),
    Case("OneHot", (np.array([1, 2]), np.array([3]), np.array([0, 5])), opset=11, tag="last",
         formula=lambda indices, depth, values: np.eye(3, dtype=int)[indices] * 5),
    Case("OneHot", (np.array([[0, 2], [-1, 5]]), np.array(4), np.array([0.5, 2.0])), {}, 11),
    Case("OneHot", (np.array([[0, 2], [-1, 3]]), np.array(4), np.array([0.0, 1.0])), {"axis": 1}, 11, tag="axis"),
    Case("OneHot", (np.array([[0, 2], [-1, 5]]), np.array(4), np.array([0.5, 2.0])), {"axis": 1}, 11, 3, tag="computed", batch_is_free=False),
    Case("OneHot", (np.array([0, 3]), np.array(4), np.array([1.5, 2.5])), {}, 11, 1, tag="fractions"),
    Case("OneHot", (np.array([0, 3]), np.array(4), np.array([1, 2**63 + 1], np.uint64)), {}, 11, 1, tag="uint64", formula=lambda i, depth, values: np.where(np.eye(4, dtype=bool)[i], values[1], values[0])),
    Case("TopK", (BIG, ints(2)), {"largest": 0}, 11, outputs=2, tag="uint64", batch_is_free=False),
]  # fmt: skip
