"""One table of ONNX operators with sample inputs: what both importers are tested on.

A row is one node. Its first ``dynamic`` inputs are computed when the model runs, the others are initialisers. The reference of
floating-point rows is ONNX Runtime, and ONNX's own evaluator where that lacks a kernel; of rows on integers it is the standard's
arithmetic (a formula, or ONNX's evaluator), since kernels of ONNX Runtime saturate on some processors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from metannvis_translate.frameworks.requirements import require
from onnx import helper
from onnx.reference import ReferenceEvaluator

from .integer_products import PRODUCTS

__all__ = ["CASES", "Case", "judge", "model_of", "reference", "runtime_results"]

Array = np.ndarray[Any, Any]
onnxruntime = require("onnxruntime")
onnxruntime.set_default_logger_severity(4)
onnxruntime_errors = (
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
)


@dataclass(frozen=True)
class Case:
    operator: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    dynamic: int = 1
    outputs: int = 1
    tag: str = ""
    domain: str = ""
    batch_is_free: bool = True
    #: the operator's formula, for rows on which the evaluators are wrong, or right to single precision only
    formula: Callable[..., Any] | None = None
    #: inputs whose type stays what it is, whatever the row is computed in
    keep: tuple[int, ...] = ()

    @property
    def on_integers(self) -> bool:
        """Whether it computes with integers, or turns floats into them."""
        first = next(np.asarray(value) for value in self.inputs if value is not None)
        return first.dtype.kind in "iu" or self.operator in (*PRODUCTS, "QuantizeLinear", "DynamicQuantizeLinear")

    @property
    def id(self) -> str:
        return f"{self.operator}-{self.opset}{'-' + self.tag if self.tag else ''}"


def _random(*shape: int, seed: int = 0, low: float = -2, high: float = 2) -> Array:
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


def _positive(*shape: int) -> Array:
    return _random(*shape, low=0.2, high=2)


def _ints(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


def _grouped(x: Array, scale: Array, bias: Array) -> Array:
    """Group normalisation with two groups."""
    y = x.reshape(x.shape[0], 2, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + np.float32(1e-5))
    return y.reshape(x.shape) * scale.reshape(-1, 1, 1) + bias.reshape(-1, 1, 1)


IMAGE = _random(2, 6, 9, 11)
#: exact zeros, integers and bounds, where derivatives differ by convention
KINKS = np.array([[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], [0.0, 0.0, 1.0, 2.0, -2.0, 6.0, 7.0, -6.0]])
BOOL = np.array([[True, False, True], [False, False, True]])

_UNARY: dict[str, tuple[Callable[..., Array], dict[str, Any], int]] = {
    "Relu": (_random, {}, 14), "Sigmoid": (_random, {}, 13), "Tanh": (_random, {}, 13), "Softplus": (_random, {}, 13),
    "Softsign": (_random, {}, 13), "LeakyRelu": (_random, {"alpha": 0.13}, 16), "Elu": (_random, {"alpha": 0.7}, 13),
    "Selu": (_random, {}, 13), "Celu": (_random, {"alpha": 1.3}, 12), "HardSigmoid": (_random, {"alpha": 0.25, "beta": 0.4}, 13),
    "HardSwish": (_random, {}, 14), "Mish": (_random, {}, 18), "Gelu": (_random, {}, 20), "ThresholdedRelu": (_random, {"alpha": 0.4}, 10),
    "Shrink": (_random, {"lambd": 0.6, "bias": 0.3}, 9), "Abs": (_random, {}, 13), "Ceil": (_random, {}, 13), "Cos": (_random, {}, 7),
    "Erf": (_random, {}, 13), "Exp": (_random, {}, 13), "Floor": (_random, {}, 13), "IsNaN": (_random, {}, 13), "Log": (_positive, {}, 13),
    "Neg": (_random, {}, 13), "Reciprocal": (_positive, {}, 13), "Round": (_random, {}, 11), "Sign": (_random, {}, 13),
    "Sin": (_random, {}, 7), "Sqrt": (_positive, {}, 13), "Tan": (lambda *s: _random(*s) / 2, {}, 7), "Atan": (_random, {}, 7),
    "Asin": (lambda *s: _random(*s) / 3, {}, 7), "Acos": (lambda *s: _random(*s) / 3, {}, 7), "Sinh": (_random, {}, 9),
    "Cosh": (_random, {}, 9), "Asinh": (_random, {}, 9), "Acosh": (lambda *s: _positive(*s) + 1, {}, 9),
    "Atanh": (lambda *s: _random(*s) / 3, {}, 9), "Identity": (_random, {}, 16),
}  # fmt: skip

_erf = np.vectorize(math.erf)


def _single(value: float) -> float:
    """An ONNX attribute is a float32."""
    return float(np.float32(value))


def _lrn(x: Array, size: int, alpha: float = _single(1e-4), beta: float = 0.75, bias: float = 1.0) -> Array:
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        low, high = max(0, c - (size - 1) // 2), min(x.shape[1] - 1, c + math.ceil((size - 1) / 2))
        total[:, c] = (x[:, low : high + 1] ** 2).sum(axis=1)
    return x / (bias + alpha / size * total) ** beta


def _group_norm(x: Array, scale: Array, bias: Array, groups: int, epsilon: float) -> Array:
    y = x.reshape(x.shape[0], groups, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + epsilon)
    return y.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]


def _logsumexp(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.log(np.exp(x).sum(axis=axes, keepdims=keepdims))


def _adaptive(x: Array, counts: list[int], reduce: Callable[..., Array]) -> Array:
    """Windows as PyTorch's documentation has them, from floor(k · size / count) to ceil((k + 1) · size / count)."""
    for axis, count in enumerate(counts, 2):
        size = x.shape[axis]
        ends = [(math.floor(k * size / count), math.ceil((k + 1) * size / count)) for k in range(count)]
        x = np.stack([reduce(x.take(range(*window), axis), axis=axis) for window in ends], axis=axis)
    return x


def _transposed_in_groups(x: Array, weight: Array, bias: Array) -> Array:
    parts = [
        reference(part, model_of(part, x.dtype.name))[0]
        for part in (
            Case("ConvTranspose", (x[:, :3], weight[:3]), {"strides": [2, 1]}, 11),
            Case("ConvTranspose", (x[:, 3:], weight[3:]), {"strides": [2, 1]}, 11),
        )
    ]
    return np.concatenate(parts, axis=1) + bias[:, None, None]


_FORMULAS: dict[str, Callable[..., Any]] = {
    "Erf": _erf,
    "Gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Shrink": lambda x: np.where(x < -_single(0.6), x + _single(0.3), np.where(x > _single(0.6), x - _single(0.3), 0)),
}
CASES: list[Case] = []
for _name, (_make, _attributes, _opset) in _UNARY.items():
    CASES.append(Case(_name, (_make(2, 3, 4, 5),), _attributes, _opset, formula=_FORMULAS.get(_name)))
CASES.append(
    Case(
        "Gelu", (_random(2, 7),), {"approximate": "tanh"}, 20, tag="tanh",
        formula=lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    )
)  # fmt: skip
CASES.append(Case("Swish", (_random(2, 7),), {"alpha": 1.0}, 24))
CASES.append(Case("Swish", (_random(2, 7),), {"alpha": 0.7}, 24, tag="slope"))
CASES.append(Case("Not", (BOOL,), {}, 13))

for _name, _opset in (
    ("Add", 14),
    ("Sub", 14),
    ("Mul", 14),
    ("Div", 14),
    ("Max", 13),
    ("Min", 13),
    ("Sum", 13),
    ("Mean", 13),
):
    CASES += [
        Case(_name, (_random(2, 3, 4, 5), _positive(2, 3, 4, 5)), {}, _opset, 2, tag="same"),
        Case(_name, (_random(2, 3, 4, 5), _positive(3, 1, 1)), {}, _opset, 1, tag="channels"),
        Case(_name, (_random(2, 3, 4, 5), _positive(2, 3, 1, 1)), {}, _opset, 2, tag="gate"),
        Case(_name, (_random(2, 3, 4, 5), np.array(0.37)), {}, _opset, 1, tag="scalar"),
    ]
CASES += [
    Case("Div", (np.array([[7, -7, 9]]), np.array([[2, 2, -4]])), {}, 14, 2, tag="integers"),
    Case("Pow", (_positive(2, 5), np.array(2.0)), {}, 15, tag="square"),
    Case("Pow", (_positive(2, 5), _positive(2, 5)), {}, 15, 2),
    Case("Mod", (np.array([[7, -7, 9]]), np.array([[2, 3, -4]])), {}, 13, 2),
    Case("Mod", (_random(2, 5), _positive(2, 5)), {"fmod": 1}, 13, 2, tag="fmod"),
    Case("Where", (BOOL, _random(2, 3), _random(2, 3, seed=1)), {}, 16, 3),
    Case("Equal", (np.array([[1, 2, 3]]), np.array([[1, 0, 3]])), {}, 13, 2),
    Case("Clip", (KINKS, np.array(-0.5), np.array(1.0)), {}, 13),
    Case("Clip", (KINKS, np.array(0.0), np.array(6.0)), {}, 13, tag="relu6"),
    Case("Clip", (KINKS, np.array(0.0)), {}, 13, tag="lower"),
    Case("Clip", (KINKS,), {"min": -1.0, "max": 2.0}, 10, tag="attributes"),
    Case("Cast", (_random(2, 5),), {"to": 7}, 13, tag="int64"),
    Case("Cast", (np.array([[1, 2]]),), {"to": 11}, 13, tag="double"),
    Case("CastLike", (np.array([[1, 2]]), _random(1, 2)), {}, 15, 2),
    Case("PRelu", (IMAGE, _random(6, 1, 1)), {}, 16, tag="channels"),
    Case("PRelu", (IMAGE, np.array([0.2])), {}, 16, tag="shared"),
    Case("PRelu", (_random(2, 5), _random(5)), {}, 16, tag="flat"),
]
for _name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
    CASES.append(Case(_name, (_random(2, 5), _random(2, 5, seed=1)), {}, 16, 2))
for _name in ("And", "Or", "Xor"):
    CASES.append(Case(_name, (BOOL, ~BOOL[:, ::-1]), {}, 7, 2))

# convolutions: W (O, I/group, *k)
CASES += [
    Case("Conv", (IMAGE, _random(4, 6, 3, 3), _random(4)), {"pads": [1, 1, 1, 1]}, 11, tag="same"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 2)), {"pads": [0, 2, 1, 0], "strides": [2, 1]}, 11, tag="asymmetric"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3), _random(4)), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 11, tag="strided"),
    Case("Conv", (IMAGE, _random(4, 3, 3, 3), _random(4)), {"group": 2}, 11, tag="grouped"),
    Case("Conv", (IMAGE, _random(6, 1, 3, 3), _random(6)), {"group": 6, "strides": [2, 2]}, 11, tag="depthwise"),
    Case("Conv", (IMAGE, _random(12, 1, 3, 3), _random(12)), {"group": 6}, 11, tag="multiplier"),
    Case("Conv", (IMAGE, _random(6, 1, 3, 3)), {"group": 6, "strides": [2, 1]}, 11, tag="depthwise-uneven"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3)), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}, 11, tag="dilated"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3)), {"dilations": [2, 2], "strides": [2, 1]}, 11, tag="dilated-strided"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3)), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 11, tag="same-upper"),
    Case("Conv", (IMAGE, _random(4, 6, 2, 2)), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}, 11, tag="same-lower"),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3)), {"auto_pad": "VALID"}, 11, tag="valid"),
    Case("Conv", (_random(2, 4, 9), _random(3, 4, 3), _random(3)), {"pads": [2, 0]}, 11, tag="1d"),
    Case("Conv", (_random(2, 4, 9), _random(4, 1, 3)), {"group": 4}, 11, tag="1d-depthwise"),
    Case("Conv", (_random(2, 2, 5, 6, 7), _random(3, 2, 2, 3, 3), _random(3)), {"strides": [1, 2, 1]}, 11, tag="3d"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3), _random(4)), {"strides": [2, 2]}, 11),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3), _random(4)), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, 11, tag="padded"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 4, 3)), {"strides": [2, 3], "pads": [1, 0, 2, 1]}, 11, tag="asymmetric"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 2, 2), _random(4)), {"strides": [3, 3]}, 11, tag="gaps"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 2, 2), _random(4)), {"strides": [2, 2], "output_padding": [1, 0]}, 11, tag="output-padding"),
    Case("ConvTranspose", (IMAGE, _random(6, 2, 3, 3), _random(4)), {"group": 2, "strides": [2, 1]}, 11, tag="grouped", formula=_transposed_in_groups),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3)), {"dilations": [2, 2], "strides": [1, 2]}, 11, tag="dilated"),
    Case("ConvTranspose", (_random(2, 4, 7), _random(4, 3, 3), _random(3)), {"strides": [2], "pads": [1, 1]}, 11, tag="1d"),
    Case("ConvTranspose", (_random(2, 2, 3, 4, 5), _random(2, 3, 2, 2, 2), _random(3)), {"strides": [2, 2, 2]}, 11, tag="3d"),
]  # fmt: skip

# pools
for _name in ("MaxPool", "AveragePool"):
    CASES += [
        Case(_name, (IMAGE,), {"kernel_shape": [2, 2], "strides": [2, 2]}, 12),
        Case(_name, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 12, tag="padded"),
        Case(_name, (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [0, 1, 1, 0]}, 12, tag="asymmetric"),
        Case(_name, (IMAGE,), {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, 12, tag="ceil"),
        Case(
            _name,
            (IMAGE,),
            {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
            12,
            tag="ceil-padded",
        ),
        Case(_name, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, 12, tag="same"),
        Case(_name, (_random(2, 4, 9),), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}, 12, tag="1d"),
        Case(_name, (_random(2, 2, 5, 6, 7),), {"kernel_shape": [2, 3, 2], "strides": [2, 2, 1]}, 12, tag="3d"),
    ]
CASES += [
    Case("MaxPool", (IMAGE - 5,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 12, tag="negative"),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 3]}, 12, tag="dilated"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 12, tag="counted"),
    Case("GlobalAveragePool", (IMAGE,), {}, 13),
    Case("GlobalMaxPool", (IMAGE,), {}, 13),
    Case("GlobalAveragePool", (_random(2, 4, 9),), {}, 13, tag="1d"),
    Case("GlobalMaxPool", (_random(2, 2, 4, 5, 6),), {}, 13, tag="3d", formula=lambda x: x.max(axis=(2, 3, 4), keepdims=True)),
]  # fmt: skip

# normalisations
_STATISTICS = (_random(6), _random(6, seed=1), _random(6, seed=2), _positive(6))
CASES += [
    Case("BatchNormalization", (IMAGE, *_STATISTICS), {"epsilon": 1e-3}, 15),
    Case("BatchNormalization", (_random(3, 6), *_STATISTICS), {}, 15, tag="flat"),
    Case("BatchNormalization", (_random(2, 6, 5), *_STATISTICS), {}, 9, tag="1d"),
    Case("LayerNormalization", (_random(2, 4, 6), _random(6), _random(6, seed=1)), {}, 17),
    Case("LayerNormalization", (_random(2, 4, 6), _random(4, 6)), {"axis": 1, "epsilon": 1e-4}, 17, tag="two-axes"),
    Case("InstanceNormalization", (IMAGE, _random(6), _random(6, seed=1)), {"epsilon": 1e-4}, 13),
    Case(
        "GroupNormalization",
        (IMAGE, _random(6), _random(6, seed=1)),
        {"num_groups": 3},
        21,
        formula=lambda x, s, b: _group_norm(x, s, b, 3, _single(1e-5)),
    ),
    Case(
        "LRN",
        (IMAGE,),
        {"size": 3, "alpha": 0.2, "bias": 1.5},
        13,
        formula=lambda x: _lrn(x, 3, _single(0.2), bias=1.5),
    ),
    Case("LRN", (IMAGE,), {"size": 4}, 13, tag="even", formula=lambda x: _lrn(x, 4)),
    Case(
        "MeanVarianceNormalization",
        (IMAGE,),
        {},
        13,
        batch_is_free=False,
        formula=lambda x: (x - x.mean((0, 2, 3), keepdims=True)) / (x.std((0, 2, 3), keepdims=True) + 1e-9),
    ),  # fmt: skip
]

# matrices
CASES += [
    Case("Gemm", (_random(2, 5), _random(3, 5), _random(3)), {"transB": 1}, 13, tag="linear"),
    Case("Gemm", (_random(2, 5), _random(5, 3)), {"alpha": 0.5}, 13, tag="scaled"),
    Case("Gemm", (_random(2, 5), _random(5, 3), _random(2, 3)), {"alpha": 0.5, "beta": 2.0}, 13, 3, tag="dynamic"),
    Case(
        "Gemm", (_random(5, 2), _random(5, 3), _random(1, 3)), {"transA": 1}, 13, tag="transposed", batch_is_free=False
    ),
    Case("MatMul", (_random(2, 5), _random(5, 3)), {}, 13, tag="constant"),
    Case("MatMul", (_random(2, 4, 5), _random(5, 3)), {}, 13, tag="tokens"),
    Case("MatMul", (_random(2, 3, 4, 5), _random(2, 3, 5, 4)), {}, 13, 2, tag="heads"),
    Case(
        "Linear",
        (_random(2, 4, 5), _random(5, 3), _random(3)),
        {},
        20,
        domain="metannvis",
        formula=lambda x, w, b: x @ w + b,
    ),
]

# the hub's own, which PyTorch's exporter would take apart
CASES += [
    Case(
        "GroupNormalization", (IMAGE, _random(6), _random(6, seed=1)), {"num_groups": 2}, 20, domain="metannvis",
        formula=lambda x, s, b: _grouped(x, s, b),
    ),
    Case("Roll", (_random(2, 3, 5, 4),), {"shifts": [1, -2], "dims": [2, 3]}, 20, domain="metannvis", formula=lambda x: np.roll(x, (1, -2), (2, 3))),
    Case("StopGradient", (_random(2, 3, 4),), {}, 20, domain="metannvis", formula=lambda x: x),
    Case("Softplus", (_random(2, 3, 5, 4),), {"beta": 2.0, "threshold": 1.5}, 20, domain="metannvis", formula=lambda x: np.where(2 * x > 1.5, x, np.log1p(np.exp(2 * x)) / 2)),
    Case("Threshold", (_random(2, 3, 5, 4),), {"threshold": 0.25, "value": -1.5}, 20, domain="metannvis", formula=lambda x: np.where(x <= 0.25, -1.5, x)),
    Case("GLU", (_random(2, 6, 5, 4),), {"axis": 1}, 20, domain="metannvis", formula=lambda x: x[:, :3] / (1 + np.exp(-x[:, 3:]))),
    Case("Roll", (_random(2, 3, 4),), {"shifts": [5]}, 20, tag="line", domain="metannvis", formula=lambda x: np.roll(x, 5), batch_is_free=False),
    *(
        Case(
            f"Adaptive{name}Pool", (image,), {"output_size": size}, 20, tag=tag, domain="metannvis",
            formula=lambda x, size=size, reduce=reduce: _adaptive(x, size, reduce),
        )
        for name, reduce in (("Average", np.mean), ("Max", np.max))
        for tag, image, size in (
            ("one", IMAGE, [1, 1]), ("divides", _random(2, 3, 6, 8), [3, 2]), ("overlaps", IMAGE, [4, 5]), ("grows", _random(2, 3, 2, 3), [5, 3]),
            ("1d", _random(2, 3, 7), [3]), ("3d", _random(2, 2, 4, 5, 6), [2, 3, 4]), ("ties", np.rint(IMAGE), [4, 5]),
        )
    ),
]  # fmt: skip

# reductions
for _name in (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp",
):  # fmt: skip
    _exp = _name == "ReduceLogSumExp"
    CASES += [
        Case(
            _name, (_positive(2, 3, 4, 5), _ints(2, 3)), {"keepdims": 0}, 18,
            formula=(lambda x, axes: _logsumexp(x, (2, 3), False)) if _exp else None,
        ),
        Case(
            _name, (_positive(2, 3, 4, 5), _ints(1)), {}, 18, tag="keep",
            formula=(lambda x, axes: _logsumexp(x, (1,), True)) if _exp else None,
        ),
        Case(
            _name, (_positive(2, 3, 4, 5),), {"axes": [-1, 1], "keepdims": 0}, 11, tag="attribute",
            formula=(lambda x: _logsumexp(x, (1, 3), False)) if _exp else None,
        ),
    ]  # fmt: skip
CASES += [
    Case("ArgMax", (_random(2, 5, 3),), {"axis": 1}, 13),
    Case("ArgMax", (_random(2, 5),), {"axis": -1, "keepdims": 0}, 13, tag="drop"),
    Case("ArgMax", (np.array([[1.0, 3.0, 3.0]]),), {"axis": 1, "select_last_index": 1}, 13, tag="last"),
    Case("ArgMin", (_random(2, 5, 3),), {"axis": 2}, 13),
    Case("ArgMax", (np.array([[-0.0, 0.0, -1.0], [0.0, -0.0, -1.0]]),), {"axis": 1}, 13, tag="zeros"),
]

# softmaxes
for _name in ("Softmax", "LogSoftmax"):
    CASES += [
        Case(_name, (_random(2, 5),), {}, 13),
        Case(_name, (_random(2, 3, 4, 5),), {"axis": 1}, 13, tag="channels"),
        Case(_name, (_random(2, 3, 4),), {"axis": 1}, 11, tag="flattened"),
    ]

# shapes
CASES += [
    Case(
        "Constant", (_random(3, 2),), {"value": helper.make_tensor("v", onnx.TensorProto.DOUBLE, [2], [1.5, 2.5])}, 13
    ),
    Case("Dropout", (_random(2, 5),), {}, 13),
    Case("Transpose", (_random(2, 3, 4, 5),), {"perm": [0, 2, 3, 1]}, 13),
    Case("Transpose", (_random(2, 3, 4),), {"perm": [0, 2, 1]}, 13, tag="swap"),
    Case("Flatten", (_random(2, 3, 4, 5),), {}, 13),
    Case("Flatten", (_random(2, 3, 4),), {"axis": 2}, 13, tag="axis2"),
    Case("Reshape", (_random(2, 3, 4, 5), _ints(0, -1)), {}, 14, tag="flatten"),
    Case("Reshape", (_random(2, 6, 4), _ints(-1, 2, 3, 4)), {}, 14, tag="split"),
    Case("Reshape", (_random(2, 6, 4), _ints(-1, 4)), {}, 14, tag="batch-moves"),
    Case("Squeeze", (_random(2, 3, 1, 1), _ints(2, 3)), {}, 13),
    Case("Squeeze", (_random(2, 3, 1),), {"axes": [2]}, 11, tag="attribute"),
    Case("Unsqueeze", (_random(2, 3), _ints(1, -1)), {}, 13),
    Case("Unsqueeze", (_random(2, 3),), {"axes": [2]}, 11, tag="attribute"),
    Case("Concat", (_random(2, 3, 4), _random(2, 2, 4)), {"axis": 1}, 13, 2),
    Case("Concat", (_random(2, 3), _random(2, 2)), {"axis": -1}, 13, 1, tag="constant", batch_is_free=False),
    Case("Split", (_random(2, 5, 4), _ints(2, 3)), {"axis": 1}, 13, outputs=2),
    Case("Split", (_random(2, 5, 4),), {"axis": 1, "num_outputs": 3}, 18, outputs=3, tag="uneven"),
    Case("Split", (_random(2, 4),), {"axis": -1, "split": [1, 3]}, 11, outputs=2, tag="attribute"),
    Case("Slice", (_random(2, 6, 7), _ints(1, -3), _ints(5, 100), _ints(1, 2), _ints(2, 1)), {}, 13),
    Case("Slice", (_random(2, 6), _ints(-1), _ints(-100), _ints(1), _ints(-2)), {}, 13, tag="backwards"),
    Case("Slice", (_random(2, 6),), {"starts": [1], "ends": [-1], "axes": [1]}, 9, tag="attribute"),
    Case("Gather", (_random(2, 5, 3), _ints(3, 0, -1)), {"axis": 1}, 13),
    Case("Gather", (_random(2, 5, 3), np.array(2)), {"axis": 1}, 13, tag="single"),
    Case("Pad", (IMAGE, _ints(0, 0, 1, 0, 0, 0, 2, 3)), {}, 13, tag="zeros"),
    Case("Pad", (IMAGE, _ints(0, 0, 1, 0, 0, 0, 2, 3), np.array(1.5)), {}, 13, tag="value"),
    Case("Pad", (IMAGE, _ints(0, 1, 0, 0, 0, 2, 0, 0)), {}, 13, tag="channels"),
    Case("Pad", (IMAGE, _ints(0, 0, -1, 0, 0, 0, 2, -3)), {}, 13, tag="cut"),
    Case("Pad", (IMAGE, _ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "reflect"}, 13, tag="reflect"),
    Case("Pad", (IMAGE, _ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "edge"}, 13, tag="edge"),
    Case("Pad", (IMAGE, _ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "wrap"}, 19, tag="wrap"),
    Case("Pad", (_random(2, 4),), {"pads": [0, 1, 0, 2], "value": 0.5}, 10, tag="attribute"),
    Case("Expand", (_random(2, 1, 3), _ints(1, 4, 1)), {}, 13),
    Case("Tile", (_random(2, 3), _ints(1, 2)), {}, 13),
]


def model_of(case: Case, dtype: str) -> onnx.ModelProto:
    """A model of the one node, floats in ``dtype``, batch free where the operator allows it."""

    def cast(value: Any, stays: bool) -> Array:
        array = np.asarray(value)
        return array.astype(dtype) if array.dtype.kind == "f" and not stays else array

    arrays = [None if value is None else cast(value, k in case.keep) for k, value in enumerate(case.inputs)]
    names = ["" if array is None else f"x{k}" for k, array in enumerate(arrays)]
    inputs = []
    for name, array in zip(names[: case.dynamic], arrays, strict=False):
        if array is None:
            continue
        shape: list[Any] = list(array.shape)
        if case.batch_is_free and len(shape) > 1 and shape[0] > 1:
            shape[0] = "batch"
        inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape))
    initializers = [
        onnx.numpy_helper.from_array(a, n)
        for n, a in list(zip(names, arrays, strict=True))[case.dynamic :]
        if a is not None
    ]
    outputs = [f"y{k}" for k in range(case.outputs)]
    attributes = dict(case.attributes)
    if case.operator == "Cast" and attributes["to"] == 11 and dtype == "float32":
        attributes["to"] = 1
    if "value" in attributes and case.operator == "Constant" and dtype == "float32":
        attributes["value"] = onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(attributes["value"]).astype(dtype)
        )
    if case.operator == "Constant":  # it has no input of its own: added to one
        nodes = [
            helper.make_node("Constant", [], ["c"], **attributes),
            helper.make_node("Add", ["x0", "c"], outputs, name="node"),
        ]
    else:
        nodes = [helper.make_node(case.operator, names, outputs, name="node", domain=case.domain, **attributes)]
    graph = helper.make_graph(
        nodes, case.operator, inputs, [helper.make_empty_tensor_value_info(name) for name in outputs], initializers
    )
    imports = [helper.make_opsetid("", case.opset)]
    if case.domain:
        imports.append(helper.make_opsetid(case.domain, 1))
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def judge(case: Case) -> str:
    """Who says what a row's results are: ``"formula"``, ONNX's ``"evaluator"``, or ONNX Runtime (``"runtime"``)."""
    if case.formula is not None or case.operator in PRODUCTS:
        return "formula"
    return "evaluator" if case.on_integers else "runtime"


def reference(case: Case, model: onnx.ModelProto) -> list[Array]:
    """What the row's judge gives on its inputs."""
    feeds = _feeds(case, model)
    if judge(case) == "formula":
        known = feeds | {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        if case.operator in PRODUCTS and case.formula is None:
            inputs = [known.get(f"x{k}") for k in range(len(case.inputs))]
            return [PRODUCTS[case.operator](*inputs, **case.attributes)]
        results = case.formula(*known.values())
        dtype = next(iter(feeds.values())).dtype
        results = [np.asarray(result) for result in (results if isinstance(results, tuple) else (results,))]
        # formulas of floats are in double precision, whatever the row is in
        return [result.astype(dtype) if {result.dtype.kind, dtype.kind} <= {"f", "b"} else result for result in results]
    if judge(case) == "runtime":
        results = runtime_results(case, model)
        if results is not None:
            return results
    return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, feeds)]


def runtime_results(case: Case, model: onnx.ModelProto) -> list[Array] | None:
    """What ONNX Runtime gives; None where it has no kernel, as for many operators on doubles, or for so new an operator."""
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [np.asarray(result) for result in session.run(None, _feeds(case, model))]
    except onnxruntime_errors:
        return None


def _feeds(case: Case, model: onnx.ModelProto) -> dict[str, Array]:
    return {value.name: _feed(model, k, case) for k, value in enumerate(model.graph.input)}


def _feed(model: onnx.ModelProto, k: int, case: Case) -> Array:
    dtype = helper.tensor_dtype_to_np_dtype(model.graph.input[k].type.tensor_type.elem_type)
    given = [value for value in case.inputs if value is not None]
    return np.asarray(given[k]).astype(dtype)
