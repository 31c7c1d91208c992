"""Rows of softmax functions."""

from __future__ import annotations

import numpy as np

from .arrays import TIED, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    *(
        Case(operator, (values,), attributes, opset, tag=tag)
        for operator in ("Softmax", "LogSoftmax")
        for values, attributes, opset, tag in (
            (uniform(2, 5), {}, 13, ""), (uniform(2, 3, 4, 5), {"axis": 1}, 13, "channels"), (uniform(2, 3, 4), {"axis": 1}, 11, "flattened"),
        )
    ),
    Case("Hardmax", (uniform(3, 4, 5),), {"axis": 1}, opset=11, tag="old",
         formula=lambda x: np.eye(20)[x.reshape(3, 20).argmax(1)].reshape(x.shape)),
    Case("Hardmax", (TIED,), opset=13),
    Case("Hardmax", (uniform(2, 5, 3),), {"axis": 1}, 13),
    Case("Hardmax", (np.array([[1.0, 3.0, 3.0]]),), {}, 13, tag="tie"),
]  # fmt: skip
