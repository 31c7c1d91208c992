"""Arithmetic at its edges: remainders, quotients that are rounded, signs, sums in the logarithm, bounds that are tensors.

What PyTorch's exporter writes for these is the textbook's formula: right at most values, but not where a divisor is zero or a
quotient is rounded up, at a zero with a minus sign, where a power overflows, and not in the derivative at ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import log_of_sum, number, stop, with_slopes

__all__ = ["translations"]


# --- remainders and quotients ---


def differ_in_sign(rest: Any, divisor: Any) -> Any:
    zero = number(0.0, rest)
    other = op.Xor(op.Less(rest, zero), op.Less(divisor, zero))
    return op.And(op.Not(op.Equal(rest, zero)), other)


def modulo(a: Any, b: Any) -> Any:
    rest = op.Mod(a, b, fmod=1)
    return op.Where(differ_in_sign(rest, b), op.Add(rest, b), rest)


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def remainder(self, other):  # type: ignore[no-untyped-def]
    return op.Mod(self, other) if self.dtype.is_integer() else modulo(self, op.CastLike(other, self))


def remainder_scalar(self, other: float):  # type: ignore[no-untyped-def]
    divisor = number(other, self)
    return op.Mod(self, divisor) if self.dtype.is_integer() else modulo(self, divisor)


def remainder_of_scalar(self: float, other):  # type: ignore[no-untyped-def]
    dividend = number(self, other)
    return op.Mod(dividend, other) if other.dtype.is_integer() else modulo(dividend, other)


def floored(a: Any, b: Any) -> Any:
    """The quotient rounded down, as PyTorch and Python have it: no derivative, and right where ``a / b`` is rounded up."""
    a, b = stop(a), stop(b)
    rest = op.Mod(a, b, fmod=1)
    quotient = op.Div(op.Sub(a, rest), b)
    quotient = op.Where(differ_in_sign(rest, b), op.Sub(quotient, number(1.0, a)), quotient)
    low = op.Floor(quotient)
    low = op.Where(op.Greater(op.Sub(quotient, low), number(0.5, a)), op.Add(low, number(1.0, a)), low)
    return op.Where(op.Equal(b, number(0.0, a)), op.Div(a, b), low)


def floored_integers(a: Any, b: Any) -> Any:
    quotient = op.Div(a, b)
    if not a.dtype.is_signed():
        return quotient
    rest = op.Sub(a, op.Mul(quotient, b))
    return op.Sub(quotient, op.CastLike(differ_in_sign(rest, b), a))


def cut_off(a: Any, b: Any) -> Any:
    quotient = op.Div(stop(a), stop(b))
    return op.Mul(op.Floor(op.Abs(quotient)), op.Sign(quotient))


def rounded(a: Any, b: Any, mode: str | None) -> Any:
    if a.dtype.is_floating_point():
        return {"floor": floored, "trunc": cut_off, None: op.Div}[mode](a, b)
    if mode is None:
        raise NotImplementedError("a true quotient of integers with a rounding mode")
    return floored_integers(a, b) if mode == "floor" else op.Div(a, b)


def div_mode(self, other, rounding_mode: str | None = None):  # type: ignore[no-untyped-def]
    return rounded(self, op.CastLike(other, self), rounding_mode)


def div_scalar_mode(self, other: float, rounding_mode: str | None = None):  # type: ignore[no-untyped-def]
    return rounded(self, number(other, self), rounding_mode)


def floor_divide(self, other):  # type: ignore[no-untyped-def]
    return rounded(self, op.CastLike(other, self), "floor")


# --- signs ---


def sign(self):  # type: ignore[no-untyped-def]
    if not self.dtype.is_floating_point():
        return op.Identity(self) if self.dtype == ir.DataType.BOOL else op.Sign(self)
    return op.Where(op.IsNaN(self), number(0.0, self), op.Sign(self))


def heaviside(self, values):  # type: ignore[no-untyped-def]
    zero = number(0.0, self)
    step = op.Where(op.Greater(self, zero), number(1.0, self), zero)
    return op.Where(op.Equal(self, zero), values, step)


def is_negative(x: Any) -> Any:
    if x.dtype == ir.DataType.BOOL:
        return op.And(x, op.Not(x))
    zero = number(0.0, x)
    below = op.Less(x, zero)
    return op.Or(below, op.Less(op.Div(number(1.0, x), x), zero)) if x.dtype.is_floating_point() else below


def signbit(self):  # type: ignore[no-untyped-def]
    return is_negative(self)


def angle(self):  # type: ignore[no-untyped-def]
    if not self.dtype.is_floating_point():
        raise NotImplementedError("the angle of an integer")
    found = op.Where(op.Less(self, number(0.0, self)), number(math.pi, self), number(0.0, self))
    return op.Where(op.IsNaN(self), self, found)


def copysign(self, other):  # type: ignore[no-untyped-def]
    zero = number(0.0, self)
    turned = op.Where(op.Xor(is_negative(self), is_negative(other)), op.Neg(self), self)
    nothing = op.Where(is_negative(other), op.Neg(zero), zero)
    return op.Where(op.Equal(self, zero), nothing, turned)


def copysign_of_scalar(self, other: float):  # type: ignore[no-untyped-def]
    size = op.Where(op.Equal(self, number(0.0, self)), number(0.0, self), op.Abs(self))
    return op.Neg(size) if math.copysign(1.0, other) < 0 else size


# --- sums in the logarithm, and of squares ---


def logaddexp(self, other):  # type: ignore[no-untyped-def]
    return log_of_sum(self, other, math.e)


def logaddexp2(self, other):  # type: ignore[no-untyped-def]
    return log_of_sum(self, other, 2.0)


def factor_and_logarithm(x: Any, y: Any, nothing: float, logarithm: Callable[[Any], Any]) -> Any:
    """A product with a logarithm: zero where the factor is, whatever the logarithm is there."""
    none = op.And(op.Equal(x, number(0.0, x)), op.Or(op.LessOrEqual(y, number(nothing, y)), op.IsInf(y)))
    return op.Mul(x, logarithm(op.Where(none, number(nothing + 1, y), y)))


def xlogy(self, other):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(self, other, 0.0, op.Log)


def xlogy_of_scalar(self: float, other):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(number(self, other), other, 0.0, op.Log)


def xlogy_with_scalar(self, other: float):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(self, number(other, self), 0.0, op.Log)


def after_one(x: Any) -> Any:
    return op.Log(op.Add(x, number(1.0, x)))


def xlog1py(self, other):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(self, other, -1.0, after_one)


def xlog1py_of_scalar(self: float, other):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(number(self, other), other, -1.0, after_one)


def xlog1py_with_scalar(self, other: float):  # type: ignore[no-untyped-def]
    return factor_and_logarithm(self, number(other, self), -1.0, after_one)


def log_ndtr(self):  # type: ignore[no-untyped-def]
    one = number(1.0, self)
    far = op.Less(self, number(-1.0, self))
    # the area of the tail is below every number, and is never made: its logarithm is, by the continued fraction of the tail
    t = op.Where(far, op.Neg(self), one)
    fraction = t
    for k in range(40, 0, -1):
        fraction = op.Add(t, op.Div(number(float(k), self), fraction))
    square = op.Mul(op.Mul(t, t), number(-0.5, self))
    tail = op.Sub(op.Sub(square, number(0.5 * math.log(2 * math.pi), self)), op.Log(fraction))
    near = op.Where(far, number(0.0, self), self)
    area = op.Mul(op.Add(op.Erf(op.Mul(near, number(math.sqrt(0.5), self))), one), number(0.5, self))
    return op.Where(far, tail, op.Log(area))


def logit(self, eps: float | None = None):  # type: ignore[no-untyped-def]
    x, one = self, number(1.0, self)
    if eps is not None and eps >= 0:
        low, high = number(eps, self), number(1 - eps, self)
        x = op.Where(op.Less(x, low), low, op.Where(op.Greater(x, high), high, x))
    return op.Log(op.Div(x, op.Sub(one, x)))


def sinc(self):  # type: ignore[no-untyped-def]
    one, angle = number(1.0, self), op.Mul(stop(self), number(math.pi, self))
    small = op.Less(op.Abs(angle), number(0.3, self))
    square, far = op.Mul(angle, angle), op.Where(small, one, angle)

    def series(first: int) -> Any:
        total = number(1 / math.factorial(first + 8), self)
        for k in (6, 4, 2, 0):
            total = op.Sub(number(1 / math.factorial(first + k), self), op.Mul(square, total))
        return total

    # close to zero the derivative is a difference of two that are nearly equal
    wave = op.Where(small, series(1), op.Div(op.Sin(far), far))
    bend = op.Mul(angle, op.Sub(series(3), series(2)))
    slope = op.Where(small, bend, op.Div(op.Sub(op.Cos(far), wave), far))
    return with_slopes(wave, (self, op.Mul(slope, number(math.pi, self))))


def binary_cross_entropy(self, target, weight=None, reduction: int = 1):  # type: ignore[no-untyped-def]
    one, least = number(1.0, self), number(-100.0, self)
    x, y = stop(self), stop(target)
    there, elsewhere = op.Max(op.Log(x), least), op.Max(op.Log(op.Sub(one, x)), least)
    loss = op.Neg(op.Add(op.Mul(y, there), op.Mul(op.Sub(one, y), elsewhere)))
    width = op.Max(op.Mul(x, op.Sub(one, x)), number(1e-12, self))
    loss = with_slopes(loss, (self, op.Div(op.Sub(x, y), width)), (target, op.Sub(elsewhere, there)))
    loss = loss if weight is None else op.Mul(loss, weight)
    if reduction == 0:
        return loss
    return op.ReduceMean(loss, keepdims=0) if reduction == 1 else op.ReduceSum(loss, keepdims=0)


def larger(self, other):  # type: ignore[no-untyped-def]
    found = op.Max(self, other)
    return op.Where(op.IsNaN(self), other, op.Where(op.IsNaN(other), self, found))


def smaller(self, other):  # type: ignore[no-untyped-def]
    found = op.Min(self, other)
    return op.Where(op.IsNaN(self), other, op.Where(op.IsNaN(other), self, found))


def hypot(self, other):  # type: ignore[no-untyped-def]
    # squares of large numbers are infinite, those of tiny ones zero
    x, y = stop(self), stop(other)
    one = number(1.0, self)
    size = op.Max(op.Abs(x), op.Abs(y))
    endless = op.Or(op.IsInf(x), op.IsInf(y))
    size = op.Where(op.Or(op.Equal(size, number(0.0, self)), endless), one, size)
    a, b = op.Div(x, size), op.Div(y, size)
    found = op.Mul(op.Sqrt(op.Add(op.Mul(a, a), op.Mul(b, b))), size)
    divisor = op.Where(op.Equal(found, number(0.0, self)), one, found)
    found = with_slopes(found, (self, op.Div(x, divisor)), (other, op.Div(y, divisor)))
    return op.Where(endless, number(math.inf, self), found)


def polar(abs, angle):  # type: ignore[no-untyped-def]
    # PyTorch's derivative is that of a length, which is not negative
    size = with_slopes(abs, (op.Where(op.IsInf(abs), number(0.0, abs), abs), op.Sign(abs)))
    last = op.Constant(value_ints=[-1])
    parts = [op.Unsqueeze(op.Mul(size, part(angle)), last) for part in (op.Cos, op.Sin)]
    return op.Concat(*parts, axis=-1)


# --- bounds that are tensors ---


def is_number(bound: Any) -> bool:
    # the exporters make a tensor of a number whose type is not that of what it bounds
    return bound is None or (bound.shape is not None and len(bound.shape) == 0 and _is_constant(bound))


def clamp(self, min=None, max=None):  # type: ignore[no-untyped-def]
    low, high = (None if bound is None else op.CastLike(bound, self) for bound in (min, max))
    if is_number(min) and is_number(max):  # at its bound there is no derivative, as where bounds are attributes
        return op.Clip(self, low, high)
    if low is None:
        return op.Identity(self) if high is None else op.Min(self, high)
    if high is None:
        return op.Max(self, low)
    # at a bound it has half of the derivative, at both at once the whole; a lower bound above the upper one does not count
    between = op.Min(op.Max(self, low), high)
    single = op.Where(op.Less(self, low), low, op.Where(op.Greater(self, high), high, self))
    found = op.Where(op.Greater(low, high), high, op.Where(op.Equal(low, high), single, between))
    return op.Where(op.IsNaN(self), self, found) if self.dtype.is_floating_point() else found


def clamp_min(self, min):  # type: ignore[no-untyped-def]
    return clamp(self, min, None) if is_number(min) else op.Max(self, op.CastLike(min, self))  # type: ignore[no-untyped-call]


def clamp_max(self, max):  # type: ignore[no-untyped-def]
    return clamp(self, None, max) if is_number(max) else op.Min(self, op.CastLike(max, self))  # type: ignore[no-untyped-call]


# --- products added to something, which does not count where its share is zero ---


def scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else op.Mul(x, number(factor, x))


def added(x: Any, product: Any, beta: float, alpha: float) -> Any:
    product = scaled(product, alpha)
    return product if beta == 0 else op.Add(scaled(x, beta), product)


def addmm(self, mat1, mat2, beta: float = 1.0, alpha: float = 1.0):  # type: ignore[no-untyped-def]
    if beta == 0 or not mat1.dtype.is_floating_point():
        return added(self, op.MatMul(mat1, mat2), beta, alpha)
    return op.Gemm(mat1, mat2, self, alpha=float(alpha), beta=float(beta))


def addmv(self, mat, vec, beta: float = 1.0, alpha: float = 1.0):  # type: ignore[no-untyped-def]
    return added(self, op.MatMul(mat, vec), beta, alpha)


def addbmm(self, batch1, batch2, beta: float = 1.0, alpha: float = 1.0):  # type: ignore[no-untyped-def]
    total = op.ReduceSum(op.MatMul(batch1, batch2), op.Constant(value_ints=[0]), keepdims=0)
    return added(self, total, beta, alpha)


def baddbmm(self, batch1, batch2, beta: float = 1.0, alpha: float = 1.0):  # type: ignore[no-untyped-def]
    return added(self, op.MatMul(batch1, batch2), beta, alpha)


def _is_constant(value: Any) -> bool:
    """Whether a value is made of constants alone."""
    if value is None or value.const_value is not None or value.is_initializer():
        return True
    node = value.producer()
    return node is not None and all(map(_is_constant, node.inputs))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.remainder.Tensor: remainder,
        aten.remainder.Scalar: remainder_scalar,
        aten.remainder.Scalar_Tensor: remainder_of_scalar,
        aten.div.Tensor_mode: div_mode,
        aten.div.Scalar_mode: div_scalar_mode,
        aten.floor_divide.default: floor_divide,
        aten.sign.default: sign,
        aten.heaviside.default: heaviside,
        aten.signbit.default: signbit,
        aten.angle.default: angle,
        aten.copysign.Tensor: copysign,
        aten.copysign.Scalar: copysign_of_scalar,
        aten.logaddexp.default: logaddexp,
        aten.logaddexp2.default: logaddexp2,
        aten.hypot.default: hypot,
        aten.polar.default: polar,
        aten.logit.default: logit,
        aten.sinc.default: sinc,
        aten.binary_cross_entropy.default: binary_cross_entropy,
        aten.fmax.default: larger,
        aten.fmin.default: smaller,
        aten.xlogy.Tensor: xlogy,
        aten.xlogy.Scalar_Self: xlogy_of_scalar,
        aten.xlogy.Scalar_Other: xlogy_with_scalar,
        aten.special_xlog1py.default: xlog1py,
        aten.special_xlog1py.self_scalar: xlog1py_of_scalar,
        aten.special_xlog1py.other_scalar: xlog1py_with_scalar,
        aten.special_log_ndtr.default: log_ndtr,
        aten.clamp.Tensor: clamp,
        aten.clamp_min.Tensor: clamp_min,
        aten.clamp_max.Tensor: clamp_max,
        aten.addmm.default: addmm,
        aten.addmv.default: addmv,
        aten.addbmm.default: addbmm,
        aten.baddbmm.default: baddbmm,
    }
