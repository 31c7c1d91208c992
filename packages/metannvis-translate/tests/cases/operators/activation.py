"""Rows of activation functions, and of what bounds values."""

from __future__ import annotations

import math

import numpy as np

from .arrays import IMAGE, INTEGERS, Array, uniform
from .case import Case
from .formulas import as_float32, erf

__all__ = ["CASES"]


def _shrunk(x: Array) -> Array:
    return np.where(x < -as_float32(0.6), x + as_float32(0.3), np.where(x > as_float32(0.6), x - as_float32(0.3), 0))


#: exact zeros, integers and bounds, where derivatives differ by convention
KINKS = np.array([[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], [0.0, 0.0, 1.0, 2.0, -2.0, 6.0, 7.0, -6.0]])

CASES: list[Case] = [
    *(
        Case(operator, (uniform(2, 3, 4, 5),), attributes, opset, formula=formula)
        for operator, attributes, opset, formula in (
            ("Relu", {}, 14, None), ("Sigmoid", {}, 13, None), ("Tanh", {}, 13, None), ("Softplus", {}, 13, None),
            ("Softsign", {}, 13, None), ("LeakyRelu", {"alpha": 0.13}, 16, None), ("Elu", {"alpha": 0.7}, 13, None),
            ("Selu", {}, 13, None), ("Celu", {"alpha": 1.3}, 12, None), ("HardSigmoid", {"alpha": 0.25, "beta": 0.4}, 13, None),
            ("HardSwish", {}, 14, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)), ("Mish", {}, 18, None),
            ("Gelu", {}, 20, lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2)))), ("ThresholdedRelu", {"alpha": 0.4}, 10, None),
            ("Shrink", {"lambd": 0.6, "bias": 0.3}, 9, _shrunk),
        )
    ),
    Case(
        "Gelu", (uniform(2, 7),), {"approximate": "tanh"}, 20, tag="tanh",
        formula=lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    Case("Swish", (uniform(2, 7),), {"alpha": 1.0}, 24),
    Case("Swish", (uniform(2, 7),), {"alpha": 0.7}, 24, tag="slope"),
    Case("Clip", (KINKS, np.array(-0.5), np.array(1.0)), {}, 13),
    Case("Clip", (KINKS, np.array(0.0), np.array(6.0)), {}, 13, tag="relu6"),
    Case("Clip", (KINKS, np.array(0.0)), {}, 13, tag="lower"),
    Case("Clip", (KINKS,), {"min": -1.0, "max": 2.0}, 10, tag="attributes"),
    Case("Clip", (uniform(3, 4), np.array(-0.5), np.array(0.5)), opset=13, dynamic=3, tag="bounds-computed"),
    Case("Clip", (INTEGERS, np.array(2), np.array(6)), {}, 13, tag="integers"),
    Case("Clip", (uniform(2, 5), np.array(-0.5), np.array(0.5)), {}, 13, 3, tag="dynamic", batch_is_free=False),
    Case("PRelu", (IMAGE, uniform(6, 1, 1)), {}, 16, tag="channels"),
    Case("PRelu", (IMAGE, np.array([0.2])), {}, 16, tag="shared"),
    Case("PRelu", (uniform(2, 5), uniform(5)), {}, 16, tag="flat"),
    Case("PRelu", (uniform(2, 3, 4), uniform(3, 1)), {}, 16, 2, tag="computed"),
    Case("PRelu", (uniform(2, 5), uniform(2, 5)), {}, 16, 2, tag="computed"),
    Case("Softplus", (uniform(2, 3, 5, 4),), {"beta": 2.0, "threshold": 1.5}, 20, domain="metannvis", formula=lambda x: np.where(2 * x > 1.5, x, np.log1p(np.exp(2 * x)) / 2)),
    Case("Threshold", (uniform(2, 3, 5, 4),), {"threshold": 0.25, "value": -1.5}, 20, domain="metannvis", formula=lambda x: np.where(x <= 0.25, -1.5, x)),
    Case("GLU", (uniform(2, 6, 5, 4),), {"axis": 1}, 20, domain="metannvis", formula=lambda x: x[:, :3] / (1 + np.exp(-x[:, 3:]))),
    Case("SwiGLU", (uniform(2, 5), uniform(2, 5, seed=1)), {"alpha": 0.7}, 28, 2, formula=lambda a, b: a * b / (1 + np.exp(-as_float32(0.7) * a))),
]  # fmt: skip
