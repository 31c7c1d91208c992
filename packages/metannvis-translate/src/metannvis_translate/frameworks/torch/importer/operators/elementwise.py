"""Elementwise operators: arithmetic, comparison, logic."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer.integers import is_unsigned_64, of_unsigned
from metannvis_translate.frameworks.torch.importer.modules import Add as AddModule
from metannvis_translate.frameworks.torch.importer.modules import Clip, Maximum, Minimum
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

#: Operators of one operand that are one PyTorch function.
UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs, "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin, "Asinh": torch.asinh,
    "Atan": torch.atan, "Atanh": torch.atanh, "Ceil": torch.ceil, "Cos": torch.cos,
    "Cosh": torch.cosh, "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor, "IsNaN": torch.isnan,
    "Log": torch.log, "Neg": torch.neg, "Not": torch.logical_not, "Reciprocal": torch.reciprocal, "Round": torch.round,
    "Sign": torch.sign, "Sin": torch.sin, "Sinh": torch.sinh, "Sqrt": torch.sqrt, "Tan": torch.tan,
}  # fmt: skip
#: Functions that ONNX lacks.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "BesselI0": torch.special.i0, "Erfc": torch.erfc, "Erfinv": torch.erfinv, "Expm1": torch.expm1, "Log1p": torch.log1p,
}  # fmt: skip
#: Operators of two operands that are one function, which takes numbers as well.
BINARY: dict[str, Callable[..., Any]] = {
    "Sub": operator.sub, "Mul": operator.mul, "Equal": operator.eq, "Greater": operator.gt, "GreaterOrEqual": operator.ge,
    "Less": operator.lt, "LessOrEqual": operator.le,
}  # fmt: skip
#: Operators of two operands that are one function, which takes tensors only.
BINARY_TENSORS: dict[str, Callable[..., Any]] = {
    "And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor,
}  # fmt: skip


def _unary(name: str, function: Callable[..., Any], domain: str = "") -> None:
    def convert(ctx: TorchImporter, X: Value) -> LaidOut:
        x = ctx.placed(X)
        return LaidOut(ctx.function(of_unsigned(ctx, function), x.tensor), x.order)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"``torch.{function.__name__}``."
    converter(name, domain=domain)(convert)


def _binary(name: str, function: Callable[..., Any], *, scalars: bool, domain: str = "") -> None:
    def convert(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
        return elementwise(ctx, function, A, B, scalars=scalars)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"``{function.__name__}``, with NumPy's broadcasting."
    # before opset 7 operands were broadcast by attributes, which the converter does not have and so refuses
    converter(name, domain=domain)(convert)


for _name, _function in UNARY.items():
    _unary(_name, _function)
for _name, _function in FUNCTIONS.items():
    _unary(_name, _function, DOMAIN)
for _name, _function in BINARY.items():
    _binary(_name, _function, scalars=True)
for _name, _function in BINARY_TENSORS.items():
    _binary(_name, _function, scalars=False)
for _name, _function in {"Atan2": torch.atan2, "Gcd": torch.gcd, "Lcm": torch.lcm}.items():
    _binary(_name, _function, scalars=False, domain=DOMAIN)


def operands(ctx: TorchImporter, values: Sequence[Value], *, scalars: bool = True) -> tuple[list[Any], tuple[int, ...]]:
    """What to hand to an elementwise function, and how its result lies. One operand at least is a tensor."""
    order = ctx.common_order(values)
    tensors = [value for value in values if isinstance(value, LaidOut)]
    # a constant of more axes than any tensor shapes the result, even if it has a single element
    largest = max((value.rank for value in tensors), default=-1)
    return [ctx.operand(v, order, scalars=scalars and v.rank <= largest) for v in values], order


def elementwise(ctx: TorchImporter, function: Callable[..., Any], *values: Value, scalars: bool = True) -> LaidOut:
    """Call a function on operands that are brought to lie alike."""
    own = of_unsigned(ctx, function)
    args, order = operands(ctx, values, scalars=scalars and own is function)
    return LaidOut(ctx.function(own, *args), order)


def add(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """One addition, by a module of its own."""
    args, order = operands(ctx, (A, B))
    return LaidOut(ctx.module(AddModule(), *args), order)


@converter("Add", since=1)
def Add(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    return add(ctx, A, B)


@converter("Sum", since=1)
def Sum(ctx: TorchImporter, *data_0: Value) -> LaidOut:
    result = ctx.placed(data_0[0])
    for value in data_0[1:]:
        result = add(ctx, result, value)
    return result


@converter("Mean", since=1)
def Mean(ctx: TorchImporter, *data_0: Value) -> LaidOut:
    total = Sum(ctx, *data_0)
    return LaidOut(ctx.function(operator.truediv, total.tensor, len(data_0)), total.order)


@converter("Div", since=1)
def Div(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """Integers are divided with the fraction cut off."""
    if is_unsigned_64(ctx, ctx.node):
        return elementwise(ctx, torch.div, A, B)
    args, order = operands(ctx, (A, B))
    if ctx.is_integer(0):
        return LaidOut(ctx.function(torch.div, *args, rounding_mode="trunc"), order)
    return LaidOut(ctx.function(operator.truediv, *args), order)


def fmod_of(a: Any, b: Any) -> torch.Tensor:
    """``torch.fmod``, which takes no number in front."""
    return torch.fmod(a if isinstance(a, torch.Tensor) else torch.full_like(b, a), b)


@converter("Mod", since=10)
def Mod(ctx: TorchImporter, A: Value, B: Value, *, fmod: int = 0) -> LaidOut:
    return elementwise(ctx, fmod_of if fmod else torch.remainder, A, B)


def whole_power(base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """A power of a fraction by a whole number, in double precision."""
    return torch.pow(base.double(), exponent.double()).to(base.dtype)


@converter("Pow", since=1)
def Pow(ctx: TorchImporter, X: Value, Y: Value) -> LaidOut:
    """The result has the type of the base."""
    if is_unsigned_64(ctx, ctx.node) and ctx.is_integer(0) and not ctx.is_integer(1):
        ctx.refuse("PyTorch has no power of unsigned integers of 64 bits by a fraction")
    # a tensor of exponents is taken in the type of the base, which may not hold every integer
    whole = (
        ctx.is_integer(1) and not ctx.is_integer(0) and not (isinstance(Y, ConstantValue) and Y.scalar() is not None)
    )
    result = elementwise(ctx, whole_power if whole else torch.pow, X, Y, scalars=not whole)
    if ctx.is_integer(0) and not ctx.is_integer(1):
        dtype = ctx.numpy_dtype(ctx.node.inputs[0])
        return LaidOut(ctx.method("to", result.tensor, getattr(torch, str(dtype))), result.order)
    return result


def _limit(ctx: TorchImporter, cls: type[nn.Module], values: Sequence[Value]) -> LaidOut | None:
    """A tensor against a number as ``torch.clamp`` does it, which has no gradient at its bound."""
    if ctx.ties != "bound" or len(values) != 2:
        return None
    tensors = [value for value in values if isinstance(value, LaidOut)]
    bounds = [value.scalar() for value in values if isinstance(value, ConstantValue)]
    if len(tensors) != 1 or bounds[0] is None:
        return None
    module = Clip(min=bounds[0]) if cls is Maximum else Clip(max=bounds[0])
    return LaidOut(ctx.module(module, tensors[0].tensor), tensors[0].order)


def _extremum(ctx: TorchImporter, cls: type[nn.Module], values: Sequence[Value]) -> LaidOut:
    limited = _limit(ctx, cls, values)
    if limited is not None:
        return limited
    ties = "first" if ctx.ties == "first" else "half"
    result: Value = values[0]
    for value in values[1:]:
        if isinstance(result, ConstantValue):
            result = ctx.placed(result) if isinstance(value, ConstantValue) else result
        args, order = operands(ctx, (result, value))
        result = _pair(ctx, cls(ties), args, order)
    return ctx.placed(result)


def _pair(ctx: TorchImporter, module: nn.Module, args: list[Any], order: tuple[int, ...]) -> LaidOut:
    if not isinstance(args[0], torch.fx.Node):  # a number in front: as a tensor, since order decides ties
        dtype = ctx.numpy_dtype(ctx.node.inputs[0]) or np.dtype("float32")
        args = [ctx.function(torch.full_like, args[1], args[0], dtype=getattr(torch, str(dtype))), args[1]]
    return LaidOut(ctx.module(module, *args), order)


@converter("Max", since=1)
def Max(ctx: TorchImporter, *data_0: Value) -> LaidOut:
    """Where the largest are equal, the first has the gradient in TensorFlow, each half of it in PyTorch."""
    return _extremum(ctx, Maximum, data_0)


@converter("Min", since=1)
def Min(ctx: TorchImporter, *data_0: Value) -> LaidOut:
    """Where the smallest are equal, the first has the gradient in TensorFlow, each half of it in PyTorch."""
    return _extremum(ctx, Minimum, data_0)


@converter("Where", since=9)
def Where(ctx: TorchImporter, condition: Value, X: Value, Y: Value) -> LaidOut:
    values = (condition, X, Y)
    order = ctx.common_order(values)
    numbers = isinstance(X, LaidOut) or isinstance(Y, LaidOut)
    largest = max(value.rank for value in values if isinstance(value, LaidOut) or value.array.size > 1)
    args = [ctx.operand(condition, order, scalars=False)]
    args += [ctx.operand(value, order, scalars=numbers and value.rank <= largest) for value in (X, Y)]
    return LaidOut(ctx.function(torch.where, *args), order)


@converter("IsInf", since=10)
def IsInf(ctx: TorchImporter, X: Value, *, detect_negative: int = 1, detect_positive: int = 1) -> LaidOut:
    x = ctx.placed(X)
    if detect_negative and detect_positive:
        return LaidOut(ctx.function(torch.isinf, x.tensor), x.order)
    return LaidOut(ctx.function(torch.isposinf if detect_positive else torch.isneginf, x.tensor), x.order)
