"""Corrections of the function library of PyTorch's exporter, where what it writes is not the operator at every value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from onnx import TensorProto
from onnx.helper import make_tensor
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number, stop

__all__ = ["scatter_reduce", "translations"]


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def log_sigmoid(self):  # type: ignore[no-untyped-def]
    # the logarithm of a sigmoid that is rounded to zero would be minus infinity
    return op.Neg(op.Softplus(op.Neg(self)))


def log_sigmoid_forward(self):  # type: ignore[no-untyped-def]
    return op.Neg(op.Softplus(op.Neg(self))), op.Identity(self)


def atan2(self, other):  # type: ignore[no-untyped-def]
    y, x = self, other
    zero, one = number(0.0, y), number(1.0, y)

    def is_negative(value: Any) -> Any:  # a zero with a minus sign, too
        return op.Or(op.Less(value, zero), op.Less(op.Div(one, value), zero))

    down, left = is_negative(y), is_negative(x)
    far = op.And(op.IsInf(y), op.IsInf(x))  # the diagonals
    y, x = op.Where(far, op.Sign(y), y), op.Where(far, op.Sign(x), x)
    # the smaller over the larger of the two: nothing is divided by zero, and the derivative is right on both axes
    steep = op.Greater(op.Abs(y), op.Abs(x))
    flat_x = op.Equal(x, zero)
    origin = op.And(flat_x, op.Equal(y, zero))
    below = op.Where(steep, y, op.Where(flat_x, one, x))
    above = op.Where(steep, x, op.Where(origin, zero, y))
    angle = op.Atan(op.Div(above, below))
    quarter = op.Where(down, number(-math.pi / 2, y), number(math.pi / 2, y))
    half = op.Where(left, op.Where(down, number(-math.pi, y), number(math.pi, y)), zero)
    return op.Where(steep, op.Sub(quarter, angle), op.Add(angle, half))


def scatter_reduce(self, dim: int, index, src, reduce: str, include_self: bool = True):  # type: ignore[no-untyped-def]
    dtype = src.dtype or self.dtype
    if reduce == "mean" and not dtype.is_floating_point():
        raise NotImplementedError("a mean of integers")
    scalar = self.shape is not None and len(self.shape) == 0
    if scalar:
        line = op.Constant(value_ints=[-1])
        self, index, src = op.Reshape(self, line), op.Reshape(index, line), op.Reshape(src, line)
    elif index.shape is not None and index.shape != src.shape:
        # as many entries of the source as there are places for
        axes = list(range(len(index.shape)))
        src = op.Slice(src, op.Constant(value_ints=[0] * len(axes)), op.Shape(index), op.Constant(value_ints=axes))
    zeros, ones = op.Mul(self, number(0.0, self)), number(1.0, src)
    nothing = op.Where(op.IsNaN(zeros), number(0.0, self), zeros) if dtype.is_floating_point() else zeros
    count = op.ScatterElements(nothing, index, op.Expand(ones, op.Shape(index)), axis=dim, reduction="add")
    touched = op.Greater(count, number(0.0, self))
    lowest, highest = (-math.inf, math.inf) if dtype.is_floating_point() else (None, None)
    neutral = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": lowest, "amin": highest}[reduce]
    before = self
    if not include_self:
        if neutral is None:
            raise NotImplementedError(f"{reduce} of integers without those that are there")
        self = op.Where(touched, number(neutral, self), self)
    kind = {"sum": "add", "mean": "add", "prod": "mul", "amax": "max", "amin": "min"}[reduce]
    found = op.ScatterElements(self, index, src, axis=dim, reduction=kind)
    if reduce in ("amax", "amin") and dtype.is_floating_point():
        found = shared_slopes(found, before, None if include_self else touched, dim, index, src)
    if reduce == "mean":
        members = op.Add(count, number(1.0, self)) if include_self else op.Where(touched, count, number(1.0, self))
        found = op.Div(found, members)
    return op.Reshape(found, no_integers()) if scalar else found


def shared_slopes(found: Any, x: Any, replaced: Any, dim: int, index: Any, src: Any) -> Any:
    """An extreme with its derivative shared by all that are equal to it; what is replaced counts, but has no part in it."""
    found, zero = stop(found), number(0.0, x)
    # what is not a number is the extreme, which not every kernel sees
    missing = op.CastLike(op.IsNaN(x), x)
    missing = missing if replaced is None else op.Where(replaced, zero, missing)
    missing = op.ScatterElements(missing, index, op.CastLike(op.IsNaN(src), src), axis=dim, reduction="add")
    found = op.Where(op.Greater(missing, zero), number(math.nan, x), found)

    def move_of(values: Any, extreme: Any) -> tuple[Any, Any]:
        chosen = op.Equal(values, extreme)
        finite = op.And(chosen, op.Not(op.IsInf(values)))
        values = op.Where(finite, values, zero)
        return op.CastLike(chosen, x), op.Sub(values, stop(values))

    there, own = move_of(x, found)
    given, moves = move_of(src, op.GatherElements(found, index, axis=dim))
    members = op.ScatterElements(there, index, given, axis=dim, reduction="add")
    members = op.Max(members, number(1.0, x))
    own = op.Div(own, members)
    own = own if replaced is None else op.Where(replaced, zero, own)
    moves = op.Div(moves, op.GatherElements(members, index, axis=dim))
    return op.Add(found, op.ScatterElements(own, index, moves, axis=dim, reduction="add"))


def window(name: str, **options: float) -> Callable[..., Any]:
    def values(length: int, dtype: int, **more: Any) -> Any:
        entries = getattr(torch, name)(length, dtype=torch.float64, **options, **more).tolist()
        exact = op.Constant(value=make_tensor("window", TensorProto.DOUBLE, [len(entries)], entries))
        return op.Cast(exact, to=dtype if dtype not in (None, -1) else TensorProto.FLOAT)

    return values


def plain(name: str) -> Callable[..., Any]:
    values = window(name)

    def made(window_length: int, dtype: int = 1, layout: str = "", device: str = "", pin_memory: bool = False):  # type: ignore[no-untyped-def]
        return values(window_length, dtype)

    return made


def periodic_or_not(name: str) -> Callable[..., Any]:
    values = window(name)

    def made(  # type: ignore[no-untyped-def]
        window_length: int,
        periodic: bool,
        dtype: int = 1,
        layout: str = "",
        device: str = "",
        pin_memory: bool = False,
    ):
        return values(window_length, dtype, periodic=bool(periodic))

    return made


def hamming_alpha(  # type: ignore[no-untyped-def]
    window_length: int, periodic: bool, alpha: float, dtype: int = 1, layout: str = "", device: str = "",
    pin_memory: bool = False,
):  # fmt: skip
    return window("hamming_window")(window_length, dtype, periodic=bool(periodic), alpha=alpha)


def hamming_alpha_beta(  # type: ignore[no-untyped-def]
    window_length: int, periodic: bool, alpha: float, beta: float, dtype: int = 1, layout: str = "", device: str = "",
    pin_memory: bool = False,
):  # fmt: skip
    return window("hamming_window")(window_length, dtype, periodic=bool(periodic), alpha=alpha, beta=beta)


def kaiser_beta(  # type: ignore[no-untyped-def]
    window_length: int, periodic: bool, beta: float, dtype: int = 1, layout: str = "", device: str = "",
    pin_memory: bool = False,
):  # fmt: skip
    return window("kaiser_window")(window_length, dtype, periodic=bool(periodic), beta=beta)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    windows = {}
    for name in ("hamming_window", "hann_window", "blackman_window", "bartlett_window", "kaiser_window"):
        windows[getattr(aten, name).default] = plain(name)
        windows[getattr(aten, name).periodic] = periodic_or_not(name)
    return {
        aten.log_sigmoid.default: log_sigmoid,
        aten.log_sigmoid_forward.default: log_sigmoid_forward,
        aten.atan2.default: atan2,
        aten.scatter_reduce.two: scatter_reduce,
        aten.hamming_window.periodic_alpha: hamming_alpha,
        aten.hamming_window.periodic_alpha_beta: hamming_alpha_beta,
        aten.kaiser_window.beta: kaiser_beta,
        **windows,
    }
