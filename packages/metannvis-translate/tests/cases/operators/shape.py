"""Rows of shapes, constants, ranges, and of operators that hand values on."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from .arrays import ints, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("Identity", (uniform(2, 3, 4, 5),), {}, 16),
    Case("Identity", (uniform(2, 5),), {}, 13, tag="plain"),
    Case("StopGradient", (uniform(2, 3, 4),), {}, 20, domain="metannvis", formula=lambda x: x),
    Case(
        "Constant", (uniform(3, 2),), {"value": helper.make_tensor("v", onnx.TensorProto.DOUBLE, [2], [1.5, 2.5])}, 13
    ),
    Case("Dropout", (uniform(2, 5),), {}, 13),
    Case("Dropout", (uniform(2, 5),), {}, 13, outputs=2, tag="mask"),
    Case("Dropout", (uniform(2, 5),), {"ratio": 0.3}, 10, tag="attribute"),
    Case("EyeLike", (uniform(3, 5),), {"k": 1}, 9, batch_is_free=False),
    Case("EyeLike", (uniform(3, 5),), {"k": 1}, opset=9, batch_is_free=False),
    Case("EyeLike", (uniform(3, 5),), {"k": -1, "dtype": TensorProto.INT32}, opset=9, batch_is_free=False, tag="integers"),
    Case("Size", (uniform(2, 3),), {}, 13, batch_is_free=False),
    Case("Size", (uniform(3, 4),), opset=13),
    Case("Shape", (uniform(3, 4),), opset=13),
    Case("Shape", (uniform(3, 4, 5),), {"start": 1, "end": -1}, opset=15),
    Case("Shape", (uniform(2, 3, 4),), {}, 13),
    Case("Shape", (uniform(2, 3, 4),), {"start": 1}, 15, tag="static"),
    Case("ConstantOfShape", (ints(2, 3),), {"value": helper.make_tensor("value", TensorProto.INT64, [1], [7])}, opset=9),
    Case("ConstantOfShape", (ints(2, 3),), {}, 9, 0, batch_is_free=False),
    Case("Range", (np.array(2), np.array(11), np.array(3)), opset=11, dynamic=3),
    Case("Range", (np.array(5.0), np.array(-1.0), np.array(-1.5)), opset=11, dynamic=3, tag="down"),
    Case("Range", (np.array(1), np.array(9), np.array(2)), {}, 11, 0, batch_is_free=False),
    Case("Trilu", (uniform(2, 4, 5),), opset=14),
    Case("Trilu", (uniform(2, 4, 5), np.array(-1)), {"upper": 0}, opset=14, tag="lower"),
    Case("Trilu", (uniform(2, 4, 5),), {}, 14),
    Case("Trilu", (uniform(2, 4, 5), np.array(-1)), {"upper": 0}, 14, tag="lower"),
    Case("ConstantOfShape", (ints(2, 0, 3),), {}, opset=9, tag="empty", batch_is_free=False),
    Case("ConstantOfShape", (ints(2, 3),), {"value": helper.make_tensor("value", TensorProto.BOOL, [1], [True])}, opset=9, tag="bool", batch_is_free=False),
    Case("Range", (np.array(9), np.array(2), np.array(3)), opset=11, dynamic=3, tag="none"),
    Case("Range", (np.array(5), np.array(-6), np.array(-3)), opset=11, dynamic=2, tag="down-by-constant"),
]  # fmt: skip
