"""Rows of reductions, cumulative sums and products, and of places of extremes."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, LINE, VOLUME, Array, integers, ints, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _logsumexp(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.log(np.exp(x).sum(axis=axes, keepdims=keepdims))


CASES: list[Case] = [
    *(
        Case(operator, inputs, attributes, opset, tag=tag, formula=formula if operator == "ReduceLogSumExp" else None)
        for operator in (
            "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
            "ReduceLogSum", "ReduceLogSumExp",
        )
        for inputs, attributes, opset, tag, formula in (
            ((positive(2, 3, 4, 5), ints(2, 3)), {"keepdims": 0}, 18, "", lambda x, axes: _logsumexp(x, (2, 3), False)),
            ((positive(2, 3, 4, 5), ints(1)), {}, 18, "keep", lambda x, axes: _logsumexp(x, (1,), True)),
            ((positive(2, 3, 4, 5),), {"axes": [-1, 1], "keepdims": 0}, 11, "attribute", lambda x: _logsumexp(x, (1, 3), False)),
        )
    ),
    Case("ReduceMean", (uniform(2, 3, 4, 5), ints()), {"noop_with_empty_axes": 1}, 18, tag="nothing"),
    Case("ReduceMean", (LINE, ints(2)), {"keepdims": 0}, 18, tag="1d"),
    Case("ReduceMean", (VOLUME, ints(2, 3, 4)), {}, 18, tag="3d"),
    Case("ReduceSum", (uniform(2, 3, 4),), {}, 13, tag="everything", batch_is_free=False),
    Case("ReduceMax", (np.zeros((2, 0, 3), np.int64), ints(1)), {}, 18, tag="nothing", batch_is_free=False, formula=lambda x, axes: np.full((2, 1, 3), np.iinfo(np.int64).min)),
    Case("ReduceMax", (uniform(2, 0, 4), ints(1)), opset=20, batch_is_free=False, tag="empty"),
    Case("ReduceMin", (np.array([[True, False], [True, True]]), ints(1)), opset=20, tag="bool"),
    Case("ArgMax", (uniform(2, 5, 3),), {"axis": 1}, 13),
    Case("ArgMax", (uniform(2, 5),), {"axis": -1, "keepdims": 0}, 13, tag="drop"),
    Case("ArgMax", (np.array([[1.0, 3.0, 3.0]]),), {"axis": 1, "select_last_index": 1}, 13, tag="last"),
    Case("ArgMax", (np.array([[-0.0, 0.0, -1.0], [0.0, -0.0, -1.0]]),), {"axis": 1}, 13, tag="zeros"),
    Case("ArgMin", (uniform(2, 5, 3),), {"axis": 2}, 13),
    Case("CumProd", (uniform(2, 5), np.array(1)), {}, 26, formula=lambda x, axis: np.cumprod(x, 1)),
    Case("CumProd", (uniform(2, 3), np.array(1)), {"exclusive": 1, "reverse": 1}, 26, tag="both", formula=lambda x, axis: np.stack([x[:, 1] * x[:, 2], x[:, 2], x[:, 2] ** 0], 1)),
    *(
        Case(operator, (uniform(3, 5), np.array(1)), {"exclusive": exclusive, "reverse": reverse}, opset=opset, dynamic=1,
             tag=f"{exclusive}{reverse}", batch_is_free=False, formula=None)
        for operator, opset in (("CumSum", 14), ("CumProd", 26))
        for exclusive in (0, 1)
        for reverse in (0, 1)
    ),
    Case("CumSum", (np.arange(6, dtype=np.int32).reshape(2, 3), np.array(1)), {}, 14, tag="int32"),
    Case("CumSum", (uniform(2, 5), np.array(1)), {}, 14),
    Case("CumSum", (uniform(2, 5), np.array(-1)), {"exclusive": 1, "reverse": 1}, 14, tag="both"),
    Case("ReduceMean", (integers(3, 5), ints(1)), {}, 18, tag="integers", formula=lambda x, axes: np.trunc(x.mean(1, keepdims=True)).astype(x.dtype)),
    *(
        Case(operator, (BIG, ints(1)), {}, 18 if operator != "ReduceSum" else 13, tag="uint64", batch_is_free=False, formula=lambda x, axes, f=formula: f(x))
        for operator, formula in (
            ("ReduceSum", lambda x: x.sum(1, keepdims=True)), ("ReduceProd", lambda x: x.prod(1, keepdims=True)),
            ("ReduceSumSquare", lambda x: (x * x).sum(1, keepdims=True)), ("ReduceMax", lambda x: x.max(1, keepdims=True)),
            ("ReduceMin", lambda x: x.min(1, keepdims=True)),
        )
    ),
    Case("ArgMax", (BIG,), {"axis": 1}, 13, tag="uint64", batch_is_free=False),
    Case("CumSum", (BIG, np.array(1)), {}, 14, tag="uint64", batch_is_free=False),
]  # fmt: skip
