"""Elementwise operators: arithmetic, comparison, logic. Operands may lie differently: smaller ones follow the largest."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.operators.activation import strict_clip
from metannvis_translate.frameworks.keras.importer.operators.bitwise import is_unsigned_64, unsigned
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sizes import Sizes
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


def operand(ctx: KerasImporter, value: Value, order: tuple[int, ...]) -> Any:
    """An operand that broadcasts: a Python number for a scalar constant, as exact as it is known."""
    if isinstance(value, ConstantValue) and value.rank == 0 and not value.trainable and not isinstance(value, Sizes):
        return value.scalar()
    if isinstance(value, ConstantValue) and value.exact is not None and not value.trainable:
        return np.full(ctx.broadcastable(value, order).shape, value.exact, value.array.dtype)
    return ctx.broadcastable(value, order)


def together(ctx: KerasImporter, function: Callable[..., Any], *values: Value) -> LaidOut:
    """Apply a function to aligned operands."""
    if is_unsigned_64(ctx) and ctx.node.op_type != "Where":
        if function not in UNSIGNED:
            ctx.refuse("Keras has no such operation on uint64")
        return unsigned(ctx, UNSIGNED[function], *values)
    order = ctx.common_order(values)
    return LaidOut(function(*(operand(ctx, value, order) for value in values)), order)


def typed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Keras that makes a number a tensor of single precision, given numbers of the type of what they meet."""

    def call(*values: Any) -> Any:
        kind = next((keras.backend.standardize_dtype(x.dtype) for x in values if hasattr(x, "dtype")), None)
        return function(*(np.asarray(x, kind) if isinstance(x, (int, float)) else x for x in values))

    return call


def is_float(ctx: KerasImporter) -> bool:
    """Whether the current node returns floats."""
    dtype = ctx.node.outputs[0].dtype
    return dtype is None or dtype.is_floating_point()


def merged(ctx: KerasImporter, layer: Any, function: Callable[..., Any], A: Value, B: Value) -> LaidOut:
    """A merging layer for two tensors of the same rank, the operation for anything else.

    A merging layer takes the first axis for the batch: of a free one and one of a single entry it would make a single one.
    """
    if isinstance(A, LaidOut) and isinstance(B, LaidOut) and A.rank == B.rank > 0 and is_float(ctx):
        order = ctx.common_order((A, B))
        tensors = [ctx.broadcastable(A, order), ctx.broadcastable(B, order)]
        if tensors[0].shape[0] == tensors[1].shape[0]:
            return LaidOut(ctx.layer_of(layer, *tensors), order)
    return together(ctx, function, A, B)


@converter("Add", since=7)
def Add(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    """A sum of equal shapes is a layer, one that broadcasts an operation."""
    if isinstance(A, LaidOut) and isinstance(B, LaidOut) and A.rank == B.rank:
        order = ctx.common_order((A, B))
        shape = tuple(ctx.broadcastable(A, order).shape)
        if shape == tuple(ctx.broadcastable(B, order).shape) and 0 not in shape:
            return merged(ctx, layers.Add, add, A, B)
    return together(ctx, add, A, B)


@converter("Sub", since=7)
def Sub(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return merged(ctx, layers.Subtract, ops.subtract, A, B)


@converter("Mul", since=7)
def Mul(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return merged(ctx, layers.Multiply, ops.multiply, A, B)


@converter("Div", since=7)
def Div(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    """Integers are divided towards zero, as ONNX says."""
    dtype = ctx.node.outputs[0].dtype
    if dtype is not None and dtype.is_integer():
        return together(ctx, truncated_division if dtype.is_signed() else ops.floor_divide, A, B)
    return together(ctx, ops.divide, A, B)


def truncated_division(a: Any, b: Any) -> Any:
    quotient = ops.floor_divide(ops.abs(a), ops.abs(b))
    return ops.multiply(quotient, ops.multiply(ops.sign(a), ops.sign(b)))


@converter("Pow", since=7)
def Pow(ctx: KerasImporter, X: Value, Y: Value) -> LaidOut:
    """An integer base keeps its type; with a float exponent it is raised in double precision."""
    dtype, exponent = ctx.node.outputs[0].dtype, ctx.node.inputs[1].dtype if ctx.node.inputs[1] is not None else None
    if isinstance(Y, ConstantValue) and Y.scalar() == 2 and isinstance(X, LaidOut):
        return ctx.keep(X, ops.square(X.tensor))
    if dtype is not None and exponent is not None and dtype != exponent:
        base = ctx.keras_dtype(dtype.name)
        # whole numbers of many bits are not all in single precision: even and odd exponents are told apart
        large = exponent.name in ("INT32", "UINT32", "INT64", "UINT64")
        wide = (
            "float64" if dtype.is_integer() == exponent.is_floating_point() and (dtype.is_integer() or large) else base
        )

        def raised(x: Any, y: Any) -> Any:
            return ops.cast(ops.power(ops.cast(x, wide), ops.cast(y, wide)), base)

        if "uint64" in (base, wide):
            ctx.refuse("Keras has no such operation on uint64")
        order = ctx.common_order((X, Y))
        return LaidOut(raised(operand(ctx, X, order), operand(ctx, Y, order)), order)
    if dtype is not None and dtype.is_floating_point() and not (isinstance(Y, ConstantValue) and Y.scalar()):
        return together(ctx, power, X, Y)
    return together(ctx, ops.power, X, Y)


def power(base: Any, exponent: Any) -> Any:
    """A power; zero raised to zero has the derivative zero, where TensorFlow's is not a number."""
    dtype = keras.backend.standardize_dtype((base if hasattr(base, "dtype") else exponent).dtype)
    none = ops.logical_and(ops.equal(base, 0.0), ops.equal(exponent, 0.0))
    return ops.power(
        ops.where(none, np.ones((), dtype), np.asarray(base, dtype) if np.isscalar(base) else base), exponent
    )


@converter("Mod", since=10)
def Mod(ctx: KerasImporter, A: Value, B: Value, *, fmod: int = 0) -> LaidOut:
    """With ``fmod`` the remainder has the dividend's sign, else the divisor's."""
    dtype = ctx.node.outputs[0].dtype
    function = remainder if fmod and (dtype is None or dtype.is_signed()) else ops.mod
    return together(ctx, function if is_unsigned_64(ctx) else typed(function), A, B)


def remainder(a: Any, b: Any) -> Any:
    """Remainder with the sign of the dividend; its derivative by the dividend is one, at zero as well."""
    sign = ops.where(ops.less(a, ops.zeros_like(a)), -ops.ones_like(a), ops.ones_like(a))
    return ops.multiply(sign, ops.mod(ops.multiply(sign, a), ops.abs(b)))


@converter("Max", since=8)
def Max(ctx: KerasImporter, *data_0: Value) -> LaidOut:
    return extreme(ctx, ops.maximum, ops.greater, data_0)


@converter("Min", since=8)
def Min(ctx: KerasImporter, *data_0: Value) -> LaidOut:
    return extreme(ctx, ops.minimum, ops.less, data_0)


def extreme(ctx: KerasImporter, function: Any, beyond: Any, values: tuple[Value, ...]) -> LaidOut:
    """Where two operands are equal PyTorch shares the derivative between them, TensorFlow gives it to the first.

    PyTorch's ``clamp`` arrives here too; it has none at its bound.
    """
    if (
        ctx.ties == "bound"
        and len(values) == 2
        and isinstance(values[0], LaidOut)
        and isinstance(values[1], ConstantValue)
    ):
        bound = values[1].scalar()
        if bound is not None:
            limits = (bound, None) if function is ops.maximum else (None, bound)
            return ctx.keep(values[0], strict_clip(values[0].tensor, *limits))
    if is_unsigned_64(ctx):
        return unsigned(ctx, UNSIGNED[function], *values)
    # what a file says of PyTorch's clamp is about a bound that is one number, see above
    if ctx.ties in (None, "first") or (ctx.ties == "bound" and ctx.hub.conventions.states_types):
        return together(ctx, lambda *tensors: functools.reduce(function, tensors), *values)

    def shared(a: Any, b: Any) -> Any:
        mean = add(ops.multiply(a, 0.5), ops.multiply(b, 0.5))  # their sum may be beyond every number
        return ops.where(beyond(a, b), a, ops.where(beyond(b, a), b, mean))

    dtype = ctx.node.outputs[0].dtype
    pick = function if dtype is not None and dtype.is_integer() else shared
    return together(ctx, lambda *tensors: functools.reduce(pick, tensors), *values)


@converter("Sum", since=8)
def Sum(ctx: KerasImporter, *data_0: Value) -> LaidOut:
    if is_unsigned_64(ctx):
        return unsigned(ctx, UNSIGNED[add], *data_0)
    return together(ctx, lambda *tensors: functools.reduce(add, tensors), *data_0)


@converter("Mean", since=8)
def Mean(ctx: KerasImporter, *data_0: Value) -> LaidOut:
    return together(ctx, lambda *tensors: ops.divide(functools.reduce(add, tensors), len(tensors)), *data_0)


@converter("Where", since=9)
def Where(ctx: KerasImporter, condition: Value, X: Value, Y: Value) -> LaidOut:
    dtype = ctx.node.outputs[0].dtype

    def where(c: Any, x: Any, y: Any) -> Any:
        if dtype is not None:
            name = ctx.float_dtype(dtype.name)
            x, y = (np.asarray(v, name) if not hasattr(v, "dtype") else v for v in (x, y))
        return ops.where(c, x, y)

    return together(ctx, where, condition, X, Y)


#: Operations that have a layer of ours for ``uint64``.
UNSIGNED = {
    add: "add",
    ops.add: "add",
    ops.subtract: "subtract",
    ops.multiply: "multiply",
    ops.floor_divide: "divide",
    ops.mod: "mod",
    ops.maximum: "maximum",
    ops.minimum: "minimum",
    ops.equal: "equal",
    ops.greater: "greater",
    ops.greater_equal: "greater_equal",
    ops.less: "less",
    ops.less_equal: "less_equal",
}
COMPARISONS = {
    "Equal": ops.equal,
    "Greater": ops.greater,
    "GreaterOrEqual": ops.greater_equal,
    "Less": ops.less,
    "LessOrEqual": ops.less_equal,
    "And": ops.logical_and,
    "Or": ops.logical_or,
    "Xor": ops.logical_xor,
}
UNARY = {
    "Abs": ops.abs,
    "Ceil": ops.ceil,
    "Cos": ops.cos,
    "Erf": ops.erf,
    "Exp": ops.exp,
    "Floor": ops.floor,
    "IsNaN": ops.isnan,
    "Log": ops.log,
    "Neg": ops.negative,
    "Not": ops.logical_not,
    "Reciprocal": lambda x: ops.divide(1.0, x),
    "Round": ops.round,
    "Sign": lambda x: ops.sign(x) if "uint" not in str(x.dtype) else ops.cast(ops.not_equal(x, 0), x.dtype),
    "Sin": ops.sin,
    "Sqrt": ops.sqrt,
    "Tan": ops.tan,
    "Atan": ops.arctan,
    "Asin": ops.arcsin,
    "Acos": ops.arccos,
    "Sinh": ops.sinh,
    "Cosh": ops.cosh,
    "Asinh": ops.arcsinh,
    "Acosh": ops.arccosh,
    "Atanh": ops.arctanh,
}


#: Functions that ONNX lacks, as far as Keras has them.
FUNCTIONS = {"Erfc": "erfc", "Erfinv": "erfinv", "Expm1": "expm1", "Log1p": "log1p", "BesselI0": "i0"}


def _own(name: str) -> Callable[..., Any]:
    """A function of ``keras.ops``; refused where the Keras that is installed has none."""

    def function(*tensors: Any) -> Any:
        return getattr(ops, name)(*tensors)

    return function


def _register_unary(name: str, function: Callable[..., Any], domain: str = "") -> None:
    def convert(ctx: KerasImporter, X: Value) -> LaidOut:
        x = ctx.placed(X)
        return ctx.keep(x, function(x.tensor))

    convert.__name__ = convert.__qualname__ = name
    converter(name, since=1, domain=domain)(convert)


def _register_binary(name: str, function: Callable[..., Any]) -> None:
    def convert(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
        return together(ctx, function if is_unsigned_64(ctx) else typed(function), A, B)

    convert.__name__ = convert.__qualname__ = name
    converter(name, since=7)(convert)


for _name, _function in UNARY.items():
    _register_unary(_name, _function)
for _name, _own_name in FUNCTIONS.items():
    _register_unary(_name, _own(_own_name), DOMAIN)
for _name, _function in COMPARISONS.items():
    _register_binary(_name, _function)


@converter("Atan2", domain=DOMAIN)
def Atan2(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return together(ctx, typed(ops.arctan2), A, B)


@converter("Gcd", domain=DOMAIN)
def Gcd(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return together(ctx, typed(_own("gcd")), A, B)


@converter("Lcm", domain=DOMAIN)
def Lcm(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return together(ctx, typed(_own("lcm")), A, B)


@converter("IsInf", since=10)
def IsInf(ctx: KerasImporter, X: Value, *, detect_negative: int = 1, detect_positive: int = 1) -> LaidOut:
    x = ctx.placed(X)
    found = ops.isinf(x.tensor)
    if not detect_negative:
        found = ops.logical_and(found, ops.greater(x.tensor, 0.0))
    if not detect_positive:
        found = ops.logical_and(found, ops.less(x.tensor, 0.0))
    return ctx.keep(x, found)


def cast(ctx: KerasImporter, value: Value, dtype: str) -> LaidOut:
    """The value in another type; as it is if it has that type."""
    x = ctx.placed(value)
    return x if keras.backend.standardize_dtype(x.tensor.dtype) == dtype else ctx.keep(x, ops.cast(x.tensor, dtype))
