"""``keras.ops`` that work element by element, Python operators on KerasTensors among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.add import keras_sum
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_op
from metannvis_translate.graph.metadata import STOP_GRADIENT

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

#: One ONNX operator on one value, by class of the operation.
UNARY = {
    "Absolute": "Abs",
    "Arccos": "Acos",
    "Arccosh": "Acosh",
    "Arcsin": "Asin",
    "Arcsinh": "Asinh",
    "Arctan": "Atan",
    "Arctanh": "Atanh",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Erf": "Erf",
    "Exp": "Exp",
    "Expm1": "Expm1",
    "Floor": "Floor",
    "Isinf": "IsInf",
    "Isnan": "IsNaN",
    "Log": "Log",
    "Log1p": "Log1p",
    "LogicalNot": "Not",
    "Negative": "Neg",
    "Reciprocal": "Reciprocal",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
}
#: One ONNX operator on two values of the result's dtype.
BINARY = {
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Power": "Pow",
    "Gcd": "Gcd",
    "Lcm": "Lcm",
    "Maximum": "Max",
    "Minimum": "Min",
}
COMPARE = {
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
}
LOGICAL = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}


for _name, _op in UNARY.items():

    @keras_op(_name)
    def unary(e: KerasEmitter, op: Any, x: ir.Value, *, _op: str = _op) -> ir.Value:
        if _op in ("Not",):
            x = e.cast(x, "bool")
        elif e.dtype != "bool":
            x = e.promoted(x)
        return e.emit(_op, x)


for _name, _op in BINARY.items():

    @keras_op(_name)
    def binary(e: KerasEmitter, op: Any, x1: Any, x2: Any, *, _op: str = _op) -> ir.Value:
        return e.emit(_op, e.tensor(x1, e.dtype), e.tensor(x2, e.dtype), shape=e.output_shape())


@keras_op("Add")
def Add(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    x1, x2 = e.tensor(x1, e.dtype), e.tensor(x2, e.dtype)
    return keras_sum(e, x1, x2, shape=e.output_shape(), is_sure=not e.inside_a_layer)


for _name, _op in COMPARE.items():

    @keras_op(_name)
    def compare(e: KerasEmitter, op: Any, x1: Any, x2: Any, *, _op: str = _op) -> ir.Value:
        x1, x2 = _common(e, x1, x2)
        return e.emit(_op, x1, x2, shape=e.output_shape())


for _name, _op in LOGICAL.items():

    @keras_op(_name)
    def logical(e: KerasEmitter, op: Any, x1: Any, x2: Any, *, _op: str = _op) -> ir.Value:
        return e.emit(_op, e.tensor(x1, "bool"), e.tensor(x2, "bool"), shape=e.output_shape())


def _common(e: KerasEmitter, x1: Any, x2: Any) -> tuple[ir.Value, ir.Value]:
    """Two arguments, brought to the dtype in which Keras compares them."""
    import keras
    import onnx_ir as ir

    x1, x2 = (np.asarray(keras.ops.convert_to_tensor(x)) if isinstance(x, (list, tuple)) else x for x in (x1, x2))
    kinds = [e.spec(x)[1] if isinstance(x, ir.Value) else getattr(x, "dtype", type(x)) for x in (x1, x2)]
    dtype = keras.backend.result_type(*kinds)
    return e.tensor(_as_tensor(x1), dtype), e.tensor(_as_tensor(x2), dtype)


def _as_tensor(x: Any) -> Any:
    """A number as Keras' remainders and comparisons see it, which make a tensor of single precision of it first."""
    import keras

    return float(np.asarray(keras.ops.convert_to_tensor(x))) if isinstance(x, float) else x


@keras_op("NotEqual")
def NotEqual(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    x1, x2 = _common(e, x1, x2)
    return e.emit("Not", e.emit("Equal", x1, x2, shape=e.output_shape()))


@keras_op("Sign")
def Sign(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return sign(e, e.promoted(x))


def sign(e: KerasEmitter, x: ir.Value) -> ir.Value:
    """The sign; what is no number has none, where PyTorch makes zero of it."""
    y = e.emit("Sign", x)
    if x.dtype is None or not x.dtype.is_floating_point():
        return y
    return e.emit("Where", e.emit("IsNaN", x), x, y, shape=e.shape(x), dtype=x.dtype)


@keras_op("Round")
def Round(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.decimals:
        e.refuse("to decimals")
    return e.emit("Round", e.promoted(x))


@keras_op("Square")
def Square(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    x = e.promoted(x)
    return e.emit("Mul", x, x, shape=e.shape(x))


@keras_op("Rsqrt")
def Rsqrt(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.emit("Reciprocal", e.emit("Sqrt", e.promoted(x)))


@keras_op("Log2", "Log10")
def LogBase(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    x = e.emit("Log", e.promoted(x))
    base = 2.0 if type(op).__name__ == "Log2" else 10.0
    return e.emit("Div", x, e.scalar(float(np.log(base)), x), shape=e.shape(x))


@keras_op("Clip")
def Clip(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    x = e.promoted(x)
    bounds = [e.tensor(bound, x.dtype) for bound in (op.x_min, op.x_max)]
    # Clip to 0 … 6 stands for relu6, whose gradient at the bounds is 0; TensorFlow's clip has 1 there, like Max and Min.
    if all(e.rank(bound) == 0 for bound in bounds) and (op.x_min, op.x_max) != (0, 6):
        return e.emit("Clip", x, *bounds)
    return e.emit("Min", e.emit("Max", x, bounds[0], shape=e.shape(x)), bounds[1], shape=e.shape(x))


@keras_op("FloorDivide")
def FloorDivide(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    one, other = e.tensor(x1, e.dtype), e.tensor(x2, e.dtype)
    if np.issubdtype(e.dtype_of(e.dtype).numpy(), np.integer):
        # ONNX rounds a quotient of integers towards zero, but its Mod has the sign of the divisor: what is left divides evenly
        one = e.emit("Sub", one, e.emit("Mod", one, other, shape=e.output_shape()), shape=e.output_shape())
        return e.emit("Div", one, other, shape=e.output_shape())
    return e.emit("Floor", e.emit("Div", one, other, shape=e.output_shape()))


@keras_op("Mod")
def Mod(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    one, other = e.tensor(_as_tensor(x1), e.dtype), e.tensor(_as_tensor(x2), e.dtype)
    if np.issubdtype(e.dtype_of(e.dtype).numpy(), np.integer):
        return e.emit("Mod", one, other, shape=e.output_shape())
    # ONNX' Mod of floats has the sign of the dividend, this one that of the divisor
    shape = e.output_shape()
    rest = e.emit("Mod", one, other, fmod=1, shape=shape)
    is_off = e.emit("Less", e.emit("Mul", rest, other, shape=shape), e.scalar(0.0, rest), shape=shape)
    return e.emit("Where", is_off, e.emit("Add", rest, other, shape=shape), rest, shape=shape, dtype=e.dtype)


@keras_op("Where")
def Where(e: KerasEmitter, op: Any, condition: Any, x1: Any = None, x2: Any = None) -> ir.Value:
    if x1 is None or x2 is None:
        e.refuse("where with a condition alone has a result whose size depends on the values")
    return e.emit(
        "Where",
        e.tensor(condition, "bool"),
        e.tensor(x1, e.dtype),
        e.tensor(x2, e.dtype),
        shape=e.output_shape(),
        dtype=e.dtype,
    )


@keras_op("Cast")
def Cast(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.cast(x, e.dtype)


@keras_op("StopGradient")
def StopGradient(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.emit(STOP_GRADIENT, x, shape=e.shape(x))


@keras_op("Copy", "Array", "ConvertToTensor")
def Copy(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.emit("Identity", e.cast(x, e.dtype))


@keras_op("ZerosLike", "OnesLike")
def Like(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    import onnx_ir as ir

    one = np.full(1, type(op).__name__ == "OnesLike", e.dtype_of(e.dtype).numpy())
    shape = e.emit("Shape", x, dtype="int64", shape=[e.rank(x)])
    return e.emit("ConstantOfShape", shape, value=ir.tensor(one), dtype=e.dtype, shape=e.output_shape())


@keras_op("IsIn")
def IsIn(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    """Whether one of the second operand's entries is equal."""
    x1, x2 = _common(e, x1, x2)
    wanted = e.shape(x2)
    if None in wanted:
        e.refuse("what is looked for is of free size")
    count, rank = int(np.prod([int(size or 0) for size in wanted])), e.rank(x1)
    line = e.reshape(x2, [count], result=[count])
    hits = e.emit("Equal", e.unsqueeze(x1, [rank]), line, shape=(*e.shape(x1), count))
    found = e.cast(e.reduce("ReduceMax", e.cast(hits, "int32"), [rank], keepdims=False), "bool")
    return e.emit("Not", found) if op.invert else found


@keras_op("Kron")
def Kron(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    """Every product of two entries; the sizes of each axis are multiplied."""
    x1, x2 = e.tensor(x1, e.dtype), e.tensor(x2, e.dtype)
    rank = max(e.rank(x1), e.rank(x2))
    x1, x2 = (e.unsqueeze(x, range(rank - e.rank(x))) for x in (x1, x2))
    one, other = e.shape(x1), e.shape(x2)
    if None in one[1:] or None in other:
        e.refuse("axes of free size")
    x1 = e.unsqueeze(x1, range(1, 2 * rank, 2))
    x2 = e.unsqueeze(x2, range(0, 2 * rank, 2))
    y = e.emit("Mul", x1, x2, shape=[size for pair in zip(one, other, strict=True) for size in pair])
    sizes = [None if a is None or b is None else a * b for a, b in zip(one, other, strict=True)]
    return e.reshape(y, sizes, result=sizes)


@keras_op("Matmul")
def Matmul(e: KerasEmitter, op: Any, x1: Any, x2: Any) -> ir.Value:
    return e.emit("MatMul", e.tensor(x1, e.dtype), e.tensor(x2, e.dtype), shape=e.output_shape())


@keras_op("Isfinite")
def Isfinite(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if x.dtype is None or not x.dtype.is_floating_point():
        e.refuse("its argument is no float")
    infinite, undefined = e.emit("IsInf", x), e.emit("IsNaN", x)
    return e.emit("Not", e.emit("Or", infinite, undefined, shape=e.shape(x)))


@keras_op("Exp2", "Deg2rad", "Rad2deg")
def Scaled(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    name = type(op).__name__
    factor = {"Exp2": np.log(2.0), "Deg2rad": np.pi / 180, "Rad2deg": 180 / np.pi}[name]
    x = e.promoted(x)
    y = e.emit("Mul", x, e.scalar(float(factor), x), shape=e.shape(x))
    return e.emit("Exp", y) if name == "Exp2" else y
