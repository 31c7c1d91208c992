"""Rows of the operators on integers, bits, places and sizes."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from .case import Case, _ints, _random

__all__ = ["TENSOR_CASES"]


def _integers(*shape: int, low: int = -9, high: int = 9, dtype: str = "int64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


BIG = np.array([[2**63 + 5, 7, 2**40 + 1], [3, 2**63 - 1, 2**33]], dtype=np.uint64)
SMALL = np.array([[3, 7, 2**40], [5, 11, 2**33 + 1]], dtype=np.uint64)
SIGNED, DIVISOR = _integers(3, 4), np.array([[3, -2, 5, -4]])
INFINITE = np.array([[1.0, np.inf, -np.inf], [np.nan, 0.0, -np.inf]])
TIED = np.array([[1.0, 3.0, 3.0, -1.0], [0.0, 0.0, -2.0, 0.0]])
REPEATED = np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 2.0], [2.0, 1.0, 2.0]])

TENSOR_CASES = [
    *(
        Case(operator, (SIGNED, DIVISOR), attributes, opset=14, dynamic=2, batch_is_free=False, tag="int64")
        for operator, attributes in (("Add", {}), ("Sub", {}), ("Mul", {}), ("Div", {}), ("Mod", {}), ("Mod", {"fmod": 1}))
    ),
    *(
        Case(operator, (BIG, SMALL), opset=14, dynamic=2, batch_is_free=False, tag="uint64", formula=formula)
        for operator, formula in (
            ("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.floor_divide), ("Max", np.maximum),
            ("Min", np.minimum), ("Mod", np.mod),
        )
    ),
    Case("Add", (_random(3, 4, 4), _random(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="like-a-bias"),
    Case("Add", (_random(1, 4, 4), _random(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="like-a-bias-alone"),
    Case("Add", (_random(3, 1, 4), _random(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="both-spread"),
    Case("Add", (_random(2, 4, 1), _random(4)), opset=14, dynamic=2, batch_is_free=False, tag="outer"),
    Case("Pow", (_integers(2, 3, low=1), np.array([[2.0, 3.0, 1.0]])), opset=15, dynamic=2, batch_is_free=False, tag="int"),
    Case("BitwiseAnd", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseOr", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseXor", (SIGNED, DIVISOR), opset=18, dynamic=2, batch_is_free=False),
    Case("BitwiseNot", (SIGNED,), opset=18),
    Case("BitShift", (BIG, SMALL), {"direction": "LEFT"}, opset=11, dynamic=2, tag="left",
         formula=lambda x, y: np.left_shift(x, y)),
    Case("BitShift", (BIG, SMALL), {"direction": "RIGHT"}, opset=11, dynamic=2, tag="right",
         formula=lambda x, y: np.right_shift(x, y)),
    Case("BitCast", (SIGNED,), {"to": TensorProto.UINT64}, opset=26, formula=None),
    Case("IsInf", (INFINITE,), opset=20),
    Case("IsInf", (INFINITE,), {"detect_negative": 0}, opset=20, tag="positive"),
    Case("IsInf", (INFINITE,), {"detect_positive": 0}, opset=20, tag="negative"),
    Case("GatherElements", (_random(3, 5), _integers(3, 2, low=-5, high=5)), {"axis": 1}, opset=13, dynamic=2),
    Case("GatherElements", (_random(3, 5), _integers(2, 2, low=-3, high=3)), opset=13, dynamic=2, batch_is_free=False, tag="fewer"),
    Case("GatherND", (_random(4, 5, 2), _integers(3, 2, low=-4, high=4)), opset=13, dynamic=2, batch_is_free=False),
    Case("GatherND", (_random(2, 5, 4), _integers(2, 3, 1, low=-5, high=5)), {"batch_dims": 1}, opset=13, dynamic=2,
         batch_is_free=False, tag="batch"),
    Case("Scatter", (_random(3, 5), _ints(1, 3)[None], _random(1, 2)), {"axis": 1}, opset=9, dynamic=3, batch_is_free=False),
    Case("ScatterElements", (_random(3, 5), np.array([[0, -1], [2, 3]]), _random(2, 2)), {"axis": 1}, opset=11, dynamic=3,
         batch_is_free=False),
    *(
        Case("ScatterElements", (_random(3, 5), np.array([[0, 0], [2, 3]]), _random(2, 2)), {"axis": 1, "reduction": how},
             opset=18, dynamic=3, batch_is_free=False, tag=how)
        for how in ("add", "mul", "max", "min")
    ),
    Case("ScatterND", (_random(4, 3, 2), np.array([[1], [-1]]), _random(2, 3, 2)), opset=11, dynamic=3, batch_is_free=False),
    *(
        Case("ScatterND", (_random(4, 3, 2), np.array([[1, 2], [1, 2], [0, -1]]), _random(3, 2)), {"reduction": how}, opset=18,
             dynamic=3, batch_is_free=False, tag=how)
        for how in ("add", "mul", "max", "min")
    ),
    Case("ReverseSequence", (_random(3, 4, 2), _ints(1, 4, 3)), {"time_axis": 1, "batch_axis": 0}, opset=10, dynamic=2),
    Case("Compress", (_random(3, 5), np.array([True, False, True, True])), {"axis": 1}, opset=11, dynamic=2, batch_is_free=False),
    Case("Compress", (_random(3, 5), np.array([True, False, True, True])), opset=11, dynamic=2, batch_is_free=False, tag="flat"),
    Case("NonZero", (TIED,), opset=13),
    Case("Unique", (REPEATED,), opset=11, outputs=4, batch_is_free=False),
    Case("Unique", (REPEATED,), {"axis": 0}, opset=11, outputs=4, batch_is_free=False, tag="rows"),
    Case("Unique", (REPEATED,), {"axis": 1, "sorted": 1}, opset=11, outputs=4, batch_is_free=False, tag="columns"),
    Case("TensorScatter", (_random(2, 5, 3), _random(2, 2, 3), _ints(3, 1)), opset=24, dynamic=3, batch_is_free=False),
    Case("TensorScatter", (_random(2, 5, 3), _random(2, 2, 3), _ints(4, 1)), {"mode": "circular"}, opset=24, dynamic=3,
         batch_is_free=False, tag="circular"),
    Case("Shape", (_random(3, 4),), opset=13),
    Case("Shape", (_random(3, 4, 5),), {"start": 1, "end": -1}, opset=15),
    Case("Size", (_random(3, 4),), opset=13),
    Case("ConstantOfShape", (_ints(2, 3),), {"value": helper.make_tensor("value", TensorProto.INT64, [1], [7])}, opset=9),
    Case("EyeLike", (_random(3, 5),), {"k": 1}, opset=9, batch_is_free=False),
    Case("EyeLike", (_random(3, 5),), {"k": -1, "dtype": TensorProto.INT32}, opset=9, batch_is_free=False, tag="integers"),
    Case("Range", (np.array(2), np.array(11), np.array(3)), opset=11, dynamic=3),
    Case("Range", (np.array(5.0), np.array(-1.0), np.array(-1.5)), opset=11, dynamic=3, tag="down"),
    Case("OneHot", (np.array([[1, -1], [7, 0]]), np.array(4), np.array([-1.0, 2.0])), {"axis": 1}, opset=11),
    Case("OneHot", (np.array([1, 2]), np.array([3]), np.array([0, 5])), opset=11, tag="last",
         formula=lambda indices, depth, values: np.eye(3, dtype=int)[indices] * 5),
    Case("Trilu", (_random(2, 4, 5),), opset=14),
    Case("Trilu", (_random(2, 4, 5), np.array(-1)), {"upper": 0}, opset=14, tag="lower"),
    *(
        Case(operator, (_random(3, 5), np.array(1)), {"exclusive": exclusive, "reverse": reverse}, opset=opset, dynamic=1,
             tag=f"{exclusive}{reverse}", batch_is_free=False, formula=None)
        for operator, opset in (("CumSum", 14), ("CumProd", 26))
        for exclusive in (0, 1)
        for reverse in (0, 1)
    ),
    Case("DepthToSpace", (_random(2, 8, 3, 4),), {"blocksize": 2}, opset=10, tag="old"),
    Case("DepthToSpace", (_random(2, 8, 3, 4),), {"blocksize": 2}, opset=13),
    Case("DepthToSpace", (_random(2, 8, 3, 4),), {"blocksize": 2, "mode": "CRD"}, opset=13, tag="crd"),
    Case("SpaceToDepth", (_random(2, 3, 4, 6),), {"blocksize": 2}, opset=12, tag="old"),
    Case("SpaceToDepth", (_random(2, 3, 4, 6),), {"blocksize": 2}, opset=13),
    Case("Hardmax", (_random(3, 4, 5),), {"axis": 1}, opset=11, tag="old",
         formula=lambda x: np.eye(20)[x.reshape(3, 20).argmax(1)].reshape(x.shape)),
    Case("Hardmax", (TIED,), opset=13),
    Case("QuantizeLinear", (_random(3, 4), np.float32(0.03), np.uint8(120)), opset=19, keep=(0, 1)),
    Case("QuantizeLinear", (_random(3, 4), np.array([0.03, 0.1, 0.2, 0.3], np.float32), np.array([3, -4, 5, 6], np.int8)),
         {"axis": 1}, opset=19, keep=(0, 1), tag="axis"),
    Case("DequantizeLinear", (_integers(3, 4, dtype="int8"), np.float32(0.03), np.int8(2)), opset=19, keep=(1,)),
    Case("DequantizeLinear", (_integers(2, 4, dtype="int8"), np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)),
         {"axis": 1, "block_size": 2}, opset=21, keep=(1,), tag="blocks", batch_is_free=False),
    Case("DynamicQuantizeLinear", (_random(3, 4).astype(np.float32),), opset=11, outputs=3, keep=(0,)),
    Case("Clip", (_random(3, 4), np.array(-0.5), np.array(0.5)), opset=13, dynamic=3, tag="bounds-computed"),
    Case("ReduceMax", (_random(2, 0, 4), _ints(1)), opset=20, batch_is_free=False, tag="empty"),
    Case("ReduceMin", (np.array([[True, False], [True, True]]), _ints(1)), opset=20, tag="bool"),
]  # fmt: skip
