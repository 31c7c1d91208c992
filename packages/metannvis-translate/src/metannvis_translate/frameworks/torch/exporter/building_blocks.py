"""Building blocks of translations: exact numbers, gradients that are stopped or given, sums in the logarithm."""

from __future__ import annotations

import math
from typing import Any

from onnx import TensorProto
from onnx.helper import make_tensor
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.custom_op import operator
from metannvis_translate.graph.metadata import STOP_GRADIENT

__all__ = ["log_of_sum", "no_integers", "number", "stop", "with_slopes"]

#: A value without a gradient.
stop = operator(STOP_GRADIENT, ())


def number(value: float, like: Any) -> Any:
    """A number in the type of a tensor, as exact as Python has it."""
    return op.CastLike(op.Constant(value=make_tensor("number", TensorProto.DOUBLE, [], [value])), like)


def no_integers() -> Any:
    """A list of none: the shape of a single number, the places of nothing."""
    return op.Constant(value=make_tensor("none", TensorProto.INT64, [0], []))


def log_of_sum(a: Any, b: Any, base: float = math.e) -> Any:
    """The logarithm of the sum of two powers, which may be beyond every number themselves."""
    apart = op.Where(op.Equal(a, b), number(0.0, a), op.Sub(a, b))
    below = op.Neg(op.Abs(apart))
    if base != math.e:
        below = op.Mul(below, number(math.log(base), a))
    more = op.Softplus(below)
    if base != math.e:
        more = op.Div(more, number(math.log(base), a))
    return op.Add(op.Max(a, b), more)


def with_slopes(value: Any, *slopes: tuple[Any, Any]) -> Any:
    """A value with derivatives of its own: pairs of a (finite) tensor and the derivative with regard to it."""
    value = stop(value)
    for x, slope in slopes:
        value = op.Add(value, op.Mul(op.Sub(x, stop(x)), stop(slope)))
    return value
