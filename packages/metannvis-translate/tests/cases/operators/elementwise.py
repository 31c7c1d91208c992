"""Rows of elementwise arithmetic, comparisons and logic."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, BOOL, DIVISOR, SIGNED, SMALL, integers, positive, uniform
from .case import Case
from .formulas import erf, erfc

__all__ = ["CASES"]

ANY, POSITIVE = uniform(2, 3, 4, 5), positive(2, 3, 4, 5)
INFINITE = np.array([[1.0, np.inf, -np.inf], [np.nan, 0.0, -np.inf]])
SIGNED_ZEROS = np.array([[0.0, -0.0, 2.0], [1.0, -1.0, -3.0], [np.inf, -np.inf, 0.5]])
INFINITE_ROW = np.array([[1.0, np.inf, -np.inf, np.nan]])

CASES: list[Case] = [
    *(
        Case(operator, (values,), {}, opset, formula=formula)
        for operator, values, opset, formula in (
            ("Abs", ANY, 13, None), ("Ceil", ANY, 13, None), ("Cos", ANY, 7, None), ("Erf", ANY, 13, erf), ("Exp", ANY, 13, None),
            ("Floor", ANY, 13, None), ("IsNaN", ANY, 13, None), ("Log", POSITIVE, 13, None), ("Neg", ANY, 13, None),
            ("Reciprocal", POSITIVE, 13, None), ("Round", ANY, 11, None), ("Sign", ANY, 13, None), ("Sin", ANY, 7, None),
            ("Sqrt", POSITIVE, 13, None), ("Tan", ANY / 2, 7, None), ("Atan", ANY, 7, None), ("Asin", ANY / 3, 7, None),
            ("Acos", ANY / 3, 7, None), ("Sinh", ANY, 9, None), ("Cosh", ANY, 9, None), ("Asinh", ANY, 9, None),
            ("Acosh", POSITIVE + 1, 9, None), ("Atanh", ANY / 3, 9, None),
        )
    ),
    Case("Not", (BOOL,), {}, 13),
    *(
        Case(operator, (uniform(2, 3, 4, 5), other), {}, opset, dynamic, tag=tag)
        for operator, opset in (("Add", 14), ("Sub", 14), ("Mul", 14), ("Div", 14), ("Max", 13), ("Min", 13), ("Sum", 13), ("Mean", 13))
        for other, dynamic, tag in (
            (positive(2, 3, 4, 5), 2, "same"), (positive(3, 1, 1), 1, "channels"), (positive(2, 3, 1, 1), 2, "gate"),
            (np.array(0.37), 1, "scalar"),
        )
    ),
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
    Case("Add", (uniform(3, 4, 4), uniform(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="like-a-bias"),
    Case("Add", (uniform(1, 4, 4), uniform(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="like-a-bias-alone"),
    Case("Add", (uniform(3, 1, 4), uniform(1, 4, 1)), opset=14, dynamic=2, batch_is_free=False, tag="both-spread"),
    Case("Add", (uniform(2, 4, 1), uniform(4)), opset=14, dynamic=2, batch_is_free=False, tag="outer"),
    Case("Sub", (np.array([[1, 7]], np.uint32), np.array([[2, 3]], np.uint32)), {}, 14, 2, tag="uint32", keep=(0, 1), batch_is_free=False),
    Case("Div", (np.array([[7, -7, 9]]), np.array([[2, 2, -4]])), {}, 14, 2, tag="integers"),
    Case("Max", (uniform(2, 3), uniform(2, 3, seed=1), uniform(3)), {}, 13, 2, tag="three"),
    Case("Pow", (positive(2, 5), np.array(2.0)), {}, 15, tag="square"),
    Case("Pow", (positive(2, 5), positive(2, 5)), {}, 15, 2),
    Case("Pow", (integers(2, 3, low=1), np.array([[2.0, 3.0, 1.0]])), opset=15, dynamic=2, batch_is_free=False, tag="int"),
    Case("Pow", (np.array([[2, 3]]), np.array(2.0)), {}, 15, tag="integer-base"),
    Case("Mod", (np.array([[7, -7, 9]]), np.array([[2, 3, -4]])), {}, 13, 2),
    Case("Mod", (uniform(2, 5), positive(2, 5)), {"fmod": 1}, 13, 2, tag="fmod"),
    Case("Mod", (np.array([[60000, 7]], np.uint16), np.array([[7, 3]], np.uint16)), {}, 13, 2, tag="uint16", keep=(0, 1), batch_is_free=False),
    Case("Where", (BOOL, uniform(2, 3), uniform(2, 3, seed=1)), {}, 16, 3),
    Case("Where", (BOOL, np.array(1.5), np.array(-1.0)), {}, 16, tag="numbers"),
    Case("Where", (BOOL[:1], uniform(2, 3), np.array(0.0)), {}, 16, 2, tag="number", batch_is_free=False),
    Case("Equal", (np.array([[1, 2, 3]]), np.array([[1, 0, 3]])), {}, 13, 2),
    *(
        Case(operator, (uniform(2, 5), uniform(2, 5, seed=1)), {}, 16, 2)
        for operator in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    ),
    *(Case(operator, (BOOL, ~BOOL[:, ::-1]), {}, 7, 2) for operator in ("And", "Or", "Xor")),
    # functions that the standard lacks, where a composition of its operators loses digits
    *(
        Case(operator, (values,), {}, 20, domain="metannvis", formula=formula)
        for operator, values, formula in (
            ("Log1p", ANY / 1e5, np.log1p), ("Expm1", ANY / 1e5, np.expm1), ("Erfc", 3 + ANY, erfc), ("BesselI0", ANY, np.i0),
            ("Erfinv", erf(ANY / 2), lambda x: ANY / 2),
        )
    ),
    Case("Atan2", (SIGNED_ZEROS, -SIGNED_ZEROS.T), {}, 20, 2, domain="metannvis", formula=np.arctan2, batch_is_free=False),
    Case("Gcd", (np.array([[12, -18, 0, 7]]), np.array([[8, 27, 5, -14]])), {}, 20, 2, domain="metannvis", formula=np.gcd),
    Case("Lcm", (np.array([[12, -18, 1, 7]]), np.array([[8, 27, 5, -14]])), {}, 20, 2, domain="metannvis", formula=np.lcm),
    Case("IsInf", (INFINITE,), opset=20),
    Case("IsInf", (INFINITE,), {"detect_negative": 0}, opset=20, tag="positive"),
    Case("IsInf", (INFINITE,), {"detect_positive": 0}, opset=20, tag="negative"),
    Case("IsInf", (INFINITE_ROW,), {}, 10),
    Case("IsInf", (INFINITE_ROW,), {"detect_negative": 0}, 10, tag="positive"),
    Case("IsInf", (INFINITE_ROW,), {"detect_positive": 0}, 10, tag="negative"),
    *(
        Case(operator, (BIG, np.where(BIG > 9, SMALL, BIG)), opset=14, dynamic=2, batch_is_free=False, tag="uint64", formula=formula)
        for operator, formula in (
            ("Greater", np.greater), ("GreaterOrEqual", np.greater_equal), ("Less", np.less), ("LessOrEqual", np.less_equal),
            ("Equal", np.equal), ("Sum", np.add),
        )
    ),
    Case("Div", (BIG, BIG[::-1].copy()), {}, 14, 2, tag="uint64-by-large", batch_is_free=False, formula=np.floor_divide),
    Case("Mod", (BIG, BIG[::-1].copy()), {}, 14, 2, tag="uint64-by-large", batch_is_free=False, formula=np.mod),
    Case("Where", (BOOL, BIG, SMALL), {}, 16, 3, tag="uint64", batch_is_free=False, formula=np.where),
    Case("Sign", (BIG,), {}, 13, tag="uint64", batch_is_free=False, formula=np.sign),
    Case("Abs", (BIG,), {}, 13, tag="uint64", batch_is_free=False, formula=np.abs),
    Case("Pow", (uniform(2, 3), np.array([[2, 3, 0], [1, 5, 4]], np.uint64)), {}, 15, 2, tag="uint64-exponent", batch_is_free=False, formula=lambda x, y: x ** y.astype(float)),
    Case("Pow", (-(1 - 1e-7 * positive(2, 2)), np.array([[2**24 + 1, 2**24 + 2], [3, 2**25 + 1]])), {}, 15, 2, tag="large-exponent", batch_is_free=False),
    # a number that single precision rounds
    Case("Greater", (np.array([[0.1, 0.1 + 1e-12, 0.1 - 1e-12]]), np.array(0.1)), {}, 13, tag="number", batch_is_free=False),
    Case("LessOrEqual", (np.array([[0.1, 0.1 + 1e-12, 0.1 - 1e-12]]), np.array(0.1)), {}, 13, tag="number", batch_is_free=False),
]  # fmt: skip
