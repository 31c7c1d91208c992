"""Arithmetic, comparison, logic and activations, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.conventions import SELU
from metannvis_translate.frameworks.keras.exporter.layers.elementwise import sign
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import (
    ELEMENTWISE,
    Complex,
    Node,
    Sizes,
    tf_node,
)
from metannvis_translate.graph.metadata import STOP_GRADIENT

if TYPE_CHECKING:
    import onnx_ir as ir

#: One operator of one value; those that ONNX lacks are the graph's own.
UNARY = {
    "Abs": "Abs", "Acos": "Acos", "Acosh": "Acosh", "Asin": "Asin", "Asinh": "Asinh", "Atan": "Atan", "Atanh": "Atanh",
    "BesselI0": "BesselI0", "Ceil": "Ceil", "Cos": "Cos", "Cosh": "Cosh",
    "Elu": "Elu", "Erf": "Erf", "Erfc": "Erfc", "Erfinv": "Erfinv", "Exp": "Exp", "Expm1": "Expm1", "Floor": "Floor",
    "Inv": "Reciprocal", "Invert": "BitwiseNot", "IsInf": "IsInf", "IsNan": "IsNaN", "Log": "Log",
    "Log1p": "Log1p", "LogicalNot": "Not", "Neg": "Neg", "Reciprocal": "Reciprocal", "Relu": "Relu", "Rint": "Round",
    "Sigmoid": "Sigmoid", "Sin": "Sin", "Sinh": "Sinh", "Softplus": "Softplus", "Softsign": "Softsign",
    "Sqrt": "Sqrt", "Tan": "Tan", "Tanh": "Tanh",
}  # fmt: skip
#: One operator of two values that are broadcast.
BINARY = {
    "Add": "Add", "AddV2": "Add", "Atan2": "Atan2", "BitwiseAnd": "BitwiseAnd", "BitwiseOr": "BitwiseOr",
    "BitwiseXor": "BitwiseXor", "Div": "Div", "Equal": "Equal", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual",
    "Less": "Less", "LessEqual": "LessOrEqual", "LogicalAnd": "And", "LogicalOr": "Or", "Maximum": "Max",
    "Minimum": "Min", "Mul": "Mul", "Pow": "Pow", "RealDiv": "Div", "Sub": "Sub",
    "TruncateDiv": "Div",
}  # fmt: skip

ELEMENTWISE.update(UNARY, BINARY, ["SelectV2", "FloorDiv", "FloorMod", "Square", "SquaredDifference", "AddN"])

for _name, _op in UNARY.items():

    @tf_node(_name)
    def unary(n: Node, *, _op: str = _op) -> ir.Value:
        return n.emit(_op, n.value(0))


for _name, _op in BINARY.items():

    @tf_node(_name)
    def binary(n: Node, *, _op: str = _op) -> ir.Value:
        return n.emit(_op, n.value(0), n.value(1))


@tf_node("Identity", "Snapshot", "EnsureShape", "PlaceholderWithDefault", "PreventGradient")
def same(n: Node) -> Any:
    return n.operand(0)


@tf_node("CheckNumerics")
def checked(n: Node) -> Any:
    """A check of what comes out; it stops the program or does nothing."""
    return n.operand(0)


@tf_node("IdentityN")
def each(n: Node) -> list[Any]:
    return list(n.operands)


@tf_node("StopGradient")
def stopped(n: Node) -> Any:
    return n.operand(0) if n.is_known(0) else n.emit(STOP_GRADIENT, n.value(0))


@tf_node("Sign")
def Sign(n: Node) -> ir.Value:
    return sign(n.e, n.value(0))


@tf_node("Round")
def Round(n: Node) -> ir.Value:
    return n.emit("Round", n.value(0)) if n.is_float() else n.value(0)


@tf_node("Square")
def Square(n: Node) -> ir.Value:
    x = n.value(0)
    return n.emit("Mul", x, x)


@tf_node("SquaredDifference")
def SquaredDifference(n: Node) -> ir.Value:
    difference = n.emit("Sub", n.value(0), n.value(1))
    return n.emit("Mul", difference, difference)


@tf_node("Rsqrt")
def Rsqrt(n: Node) -> ir.Value:
    return n.emit("Reciprocal", n.emit("Sqrt", n.value(0)))


@tf_node("Relu6")
def Relu6(n: Node) -> ir.Value:
    x = n.value(0)
    return n.emit("Clip", x, n.e.scalar(0.0, x), n.e.scalar(6.0, x))


@tf_node("LeakyRelu")
def LeakyRelu(n: Node) -> ir.Value:
    alpha = float(n.attribute("alpha"))
    return n.emit("LeakyRelu", n.value(0), alpha=alpha, exact={"alpha": alpha})


@tf_node("Selu")
def Selu(n: Node) -> ir.Value:
    return n.emit("Selu", n.value(0), exact=SELU, alpha=SELU["alpha"], gamma=SELU["gamma"])


@tf_node("Softmax", "LogSoftmax")
def Softmax(n: Node) -> ir.Value:
    return n.emit(n.kind, n.value(0), axis=-1)


@tf_node("IsFinite")
def IsFinite(n: Node) -> ir.Value:
    x = n.value(0)
    return n.emit("Not", n.emit("Or", n.emit("IsInf", x), n.emit("IsNaN", x)))


@tf_node("NotEqual")
def NotEqual(n: Node) -> ir.Value:
    return n.emit("Not", n.emit("Equal", n.value(0), n.value(1)))


@tf_node("ApproximateEqual")
def ApproximateEqual(n: Node) -> ir.Value:
    x = n.e.emit("Abs", n.e.emit("Sub", n.value(0), n.value(1), shape=n.shape()))
    return n.emit("Less", x, n.e.scalar(float(n.attribute("tolerance")), x))


@tf_node("AddN")
def AddN(n: Node) -> ir.Value:
    first, *rest = n.values()
    for value in rest:
        first = n.emit("Add", first, value)
    return first


@tf_node("BiasAdd", "BiasAddV1")
def BiasAdd(n: Node) -> ir.Value:
    x, bias = n.value(0), n.value(1)
    if n.kind == "BiasAdd" and n.attribute("data_format") == "NCHW":
        bias = n.e.unsqueeze(bias, range(1, n.e.rank(x) - 1))
    return n.emit("Add", x, bias)


@tf_node("FloorDiv")
def FloorDiv(n: Node) -> ir.Value:
    x, y = n.value(0), n.value(1)
    quotient = n.emit("Div", x, y)
    if n.is_float():
        return n.emit("Floor", quotient)
    zero, one = n.e.scalar(0, x), n.e.scalar(1, x)  # ONNX rounds the division of integers towards zero
    rest = n.emit("Sub", x, n.emit("Mul", quotient, y))
    return n.emit("Where", _is_across(n, rest, y, zero), n.emit("Sub", quotient, one), quotient)


@tf_node("FloorMod")
def FloorMod(n: Node) -> ir.Value:
    x, y = n.value(0), n.value(1)
    if not n.is_float():
        return n.emit("Mod", x, y)
    rest = n.emit("Mod", x, y, fmod=1)
    return n.emit("Where", _is_across(n, rest, y, n.e.scalar(0.0, x)), n.emit("Add", rest, y), rest)


def _is_across(n: Node, rest: ir.Value, y: ir.Value, zero: ir.Value) -> ir.Value:
    """Where there is a rest, of another sign than the divisor."""
    signs = n.emit("Xor", n.emit("Less", rest, zero, dtype="bool"), _less(n, y, zero), dtype="bool")
    some = n.emit("Not", n.emit("Equal", rest, zero, dtype="bool"), dtype="bool")
    return n.emit("And", some, signs, dtype="bool")


def _less(n: Node, y: ir.Value, zero: ir.Value) -> ir.Value:
    return n.e.emit("Less", y, zero, shape=n.e.shape(y))


@tf_node("Mod", "TruncateMod")
def TruncateMod(n: Node) -> ir.Value:
    return n.emit("Mod", n.value(0), n.value(1), fmod=1)


@tf_node("DivNoNan")
def DivNoNan(n: Node) -> ir.Value:
    """Zero where the divisor is; so is the derivative."""
    x, y = n.value(0), n.value(1)
    return _unless_zero(n, y, lambda safe: n.emit("Div", x, safe), 1.0)


@tf_node("Xdivy")
def Xdivy(n: Node) -> ir.Value:
    x, y = n.value(0), n.value(1)
    return _unless_zero(n, x, lambda safe: n.emit("Div", safe, y), 0.0)


@tf_node("MulNoNan")
def MulNoNan(n: Node) -> ir.Value:
    x, y = n.value(0), n.value(1)
    return _unless_zero(n, y, lambda safe: n.emit("Mul", x, safe), 0.0)


@tf_node("Xlogy", "Xlog1py")
def Xlogy(n: Node) -> ir.Value:
    x, y = n.value(0), n.value(1)
    operator = "Log" if n.kind == "Xlogy" else "Log1p"
    return _unless_zero(n, x, lambda safe: n.emit("Mul", safe, n.e.emit(operator, y, shape=n.e.shape(y))), 0.0)


def _unless_zero(n: Node, y: ir.Value, compute: Any, instead: float) -> ir.Value:
    """What is computed of a value where that is not zero; zero elsewhere, without a derivative."""
    zero = n.e.scalar(0.0, y)
    is_zero = n.e.emit("Equal", y, zero, shape=n.e.shape(y))
    safe = n.e.emit("Where", is_zero, n.e.scalar(instead, y), y, shape=n.e.shape(y), dtype=y.dtype)
    return n.emit("Where", is_zero, zero, compute(safe))


@tf_node("LeftShift", "RightShift")
def Shift(n: Node) -> ir.Value:
    return n.emit("BitShift", n.value(0), n.value(1), direction=n.kind[: -len("Shift")].upper())


def root_of_squares(n: Node, x: ir.Value, y: ir.Value) -> ir.Value:
    """The length of a vector of two entries; its derivative at zero is zero."""
    squares = n.emit("Add", n.emit("Mul", x, x), n.emit("Mul", y, y))
    return _unless_zero(n, squares, lambda safe: n.emit("Sqrt", safe), 1.0)


@tf_node("Cast")
def Cast(n: Node) -> Any:
    if n.is_complex():
        x = n.operand(0)
        if not isinstance(x, Complex):
            real = n.e.cast(n.value(0), n.dtype())
            zeros = n.e.emit("Mul", real, n.e.scalar(0.0, real), shape=n.e.shape(real))
            return Complex(real, n.emit(STOP_GRADIENT, zeros))
        return Complex(*(n.e.cast(n.as_value(part), n.dtype()) for part in (x.real, x.imaginary)))
    if isinstance(n.operand(0), Complex):
        return n.e.cast(n.as_value(n.operand(0).real), n.dtype())
    if isinstance(n.operand(0), Sizes) and n.dtype() in ("int32", "int64"):
        return Sizes.of(n.entries(0), n.dtype())
    return n.e.cast(n.value(0), n.dtype())


@tf_node("Bitcast")
def Bitcast(n: Node) -> ir.Value:
    x = n.value(0)
    if x.dtype is None or x.dtype.numpy().itemsize != np.dtype(n.dtype()).itemsize:
        n.refuse("between types of different sizes")
    return n.emit("BitCast", x, to=int(n.e.dtype_of(n.dtype())))


@tf_node("Select")
def Select(n: Node) -> ir.Value:
    condition = n.value(0)
    if n.e.rank(condition) == 1 and len(n.shape() or ()) > 1:  # a row each
        condition = n.e.unsqueeze(condition, range(1, len(n.shape() or ())))
    return n.emit("Where", condition, n.value(1), n.value(2))


@tf_node("SelectV2")
def SelectV2(n: Node) -> ir.Value:
    return n.emit("Where", n.value(0), n.value(1), n.value(2))


@tf_node("ClipByValue")
def ClipByValue(n: Node) -> ir.Value:
    return n.emit("Max", n.emit("Min", n.value(0), n.value(2)), n.value(1))


@tf_node("ZerosLike", "OnesLike")
def Like(n: Node) -> ir.Value:
    import onnx_ir as ir

    x = n.value(0)
    sizes = n.e.emit("Shape", x, dtype="int64", shape=[n.e.rank(x)])
    one = np.full(1, n.kind == "OnesLike", n.dtype())
    return n.emit("ConstantOfShape", sizes, value=ir.tensor(one))


@tf_node("Cross")
def Cross(n: Node) -> ir.Value:
    e = n.e
    ahead, behind = np.array([1, 2, 0]), np.array([2, 0, 1])

    def turned(k: int, places: np.ndarray[Any, Any]) -> ir.Value:
        x = n.value(k)
        return e.emit("Gather", x, places, axis=-1, shape=e.shape(x))

    one = n.emit("Mul", turned(0, ahead), turned(1, behind))
    return n.emit("Sub", one, n.emit("Mul", turned(0, behind), turned(1, ahead)))


@tf_node("SoftmaxCrossEntropyWithLogits")
def SoftmaxCrossEntropy(n: Node) -> list[Any]:
    """The loss; what TensorFlow hands to the gradient beside it has no use here."""
    e, logits, labels = n.e, n.value(0), n.value(1)
    y = e.emit("LogSoftmax", logits, axis=-1)
    y = e.emit("Mul", labels, y, shape=e.shape(y))
    return [e.emit("Neg", e.reduce("ReduceSum", y, [-1], keepdims=False)), None]


@tf_node("SparseSoftmaxCrossEntropyWithLogits")
def SparseSoftmaxCrossEntropy(n: Node) -> list[Any]:
    e, logits, labels = n.e, n.value(0), n.value(1, "int64")
    y = e.emit("LogSoftmax", logits, axis=-1)
    places = e.unsqueeze(labels, [e.rank(labels)])
    y = e.emit("GatherElements", y, places, axis=e.rank(y) - 1, shape=e.shape(places))
    return [e.emit("Neg", e.squeeze(y, [-1])), None]
