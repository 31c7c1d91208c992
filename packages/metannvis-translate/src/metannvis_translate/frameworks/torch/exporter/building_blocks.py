"""Building blocks of translations: operators of the graph's own domain, exact numbers, gradients that are stopped or given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from onnx import TensorProto
from onnx.defs import OpSchema
from onnx.helper import make_tensor
from onnxscript import opset20 as op
from onnxscript.values import Op, Opset

from metannvis_translate.graph.metadata import DOMAIN, STOP_GRADIENT

__all__ = ["log_of_sum", "no_integers", "number", "operator", "stop", "with_slopes"]

_TYPES = [
    f"tensor({name})"
    for name in ("float", "double", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool")
]


def operator(
    name: str,
    attributes: Sequence[str],
    outputs: int = 1,
    *,
    inputs: Sequence[str] = ("X",),
    kinds: Sequence[str] = (),
    types: Sequence[str] = (),
) -> Any:
    """An operator of tensors and lists of integers (or attributes of other kinds), for the exporter to call."""
    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=[
            OpSchema.FormalParameter(name, kind) for name, kind in zip(inputs, types or "T" * len(inputs), strict=True)
        ],
        outputs=[OpSchema.FormalParameter(f"Y{k}", f"T{k or ''}") for k in range(outputs)],
        type_constraints=[
            ("T", _TYPES, ""),
            *((f"T{k}", ["tensor(int64)"], "") for k in range(1, outputs)),
            *((kind, ["tensor(int64)"], "") for kind in dict.fromkeys(types) if kind != "T"),
        ],
        attributes=[
            OpSchema.Attribute(a, getattr(OpSchema.AttrType, kind), "", required=False)
            for a, kind in zip(attributes, kinds or ["INTS"] * len(attributes), strict=True)
        ],
    )
    return Op(Opset(DOMAIN, 1), name, schema)


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
