"""Rows of operators on bits."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .arrays import BIG, BOOL, DIVISOR, INTEGERS, SIGNED, SMALL, float32s, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("BitCast", (float32s(uniform(2, 3))[0],), {"to": 6}, 26, keep=(0,), batch_is_free=False),
    Case("BitCast", (SIGNED,), {"to": TensorProto.UINT64}, opset=26, formula=None),
    Case("BitwiseAnd", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseAnd", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitwiseOr", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseOr", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitwiseXor", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseXor", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitwiseNot", (SIGNED,), opset=18),
    Case("BitwiseNot", (INTEGERS,), {}, 18),
    Case("BitShift", (BIG, SMALL), {"direction": "LEFT"}, opset=11, dynamic=2, tag="left",
         formula=lambda x, y: np.left_shift(x, y)),
    Case("BitShift", (BIG, SMALL), {"direction": "RIGHT"}, opset=11, dynamic=2, tag="right",
         formula=lambda x, y: np.right_shift(x, y)),
    Case("BitShift", (INTEGERS.astype(np.uint8), np.array([[1, 0, 2]], np.uint8)), {"direction": "LEFT"}, 11, 2),
    Case("BitShift", (INTEGERS.astype(np.uint8), np.array([[1, 0, 2]], np.uint8)), {"direction": "RIGHT"}, 11, 2, tag="right"),
    Case("BitCast", (BOOL,), {"to": TensorProto.UINT8}, 26, tag="bool", batch_is_free=False),
    Case("BitShift", (BIG, np.array([[1, 0, 63], [64, 33, 2]], np.uint64)), {"direction": "RIGHT"}, opset=11, dynamic=2, tag="right-all", batch_is_free=False,
         formula=lambda x, y: np.where(y > 63, 0, x >> np.minimum(y, 63)).astype(np.uint64)),
]  # fmt: skip
