"""Special functions: the error function's complement, its inverse, the normal distribution, a Bessel function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import number, stop, with_slopes

__all__ = ["translations"]

# M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", 1988: quotients of two polynomials,
# lowest power first, for the middle of the distribution, its tails, and what lies far out.
MIDDLE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    total = number(coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        total = op.Add(op.Mul(total, x), number(coefficient, x))
    return total


def quotient(x: Any, parts: tuple[Sequence[float], Sequence[float]]) -> Any:
    return op.Div(polynomial(x, parts[0]), polynomial(x, parts[1]))


def percentage_point(centred: Any, least: Any) -> Any:
    """The point of the normal distribution, from a probability less one half, and the lesser of it and its complement."""
    x, zero = stop(centred), number(0.0, centred)
    middle = op.LessOrEqual(op.Abs(x), number(0.425, x))
    near = op.Where(middle, x, zero)
    near = op.Mul(near, quotient(op.Sub(number(0.180625, x), op.Mul(near, near)), MIDDLE))
    inside = op.And(op.Greater(stop(least), zero), op.Not(middle))
    root = op.Sqrt(op.Neg(op.Log(op.Where(inside, stop(least), number(0.05, x)))))
    far = op.Greater(root, number(5.0, x))
    tail = quotient(op.Sub(op.Where(far, number(2.0, x), root), number(1.6, x)), TAIL)
    beyond = quotient(op.Sub(op.Where(far, root, number(6.0, x)), number(5.0, x)), FAR)
    outer = op.Mul(op.Sign(x), op.Where(far, beyond, tail))
    return op.Where(middle, near, outer)


def at_ends(x: Any, found: Any, low: float, high: float) -> Any:
    """Infinite at the ends of the interval, no number outside of it."""
    x, first, last = stop(x), number(low, x), number(high, x)
    found = op.Where(op.Equal(x, first), number(-math.inf, x), op.Where(op.Equal(x, last), number(math.inf, x), found))
    return op.Where(op.And(op.GreaterOrEqual(x, first), op.LessOrEqual(x, last)), found, number(math.nan, x))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def erfinv(self):  # type: ignore[no-untyped-def]
    half = op.Mul(self, number(0.5, self))
    value = percentage_point(half, op.Mul(op.Sub(number(1.0, self), op.Abs(self)), number(0.5, self)))
    value = op.Mul(value, number(math.sqrt(0.5), self))
    slope = op.Mul(op.Exp(op.Mul(value, value)), number(math.sqrt(math.pi) / 2, self))
    inner = op.Where(op.Less(op.Abs(self), number(1.0, self)), self, number(0.0, self))
    return at_ends(self, with_slopes(value, (inner, slope)), -1.0, 1.0)


def ndtri(self):  # type: ignore[no-untyped-def]
    half, one = number(0.5, self), number(1.0, self)
    least = op.Where(op.Less(self, half), self, op.Sub(one, self))
    value = percentage_point(op.Sub(self, half), least)
    slope = op.Mul(op.Exp(op.Mul(op.Mul(value, value), half)), number(math.sqrt(2 * math.pi), self))
    inner = op.Where(op.Greater(least, number(0.0, self)), self, half)
    return at_ends(self, with_slopes(value, (inner, slope)), 0.0, 1.0)


def i0(self):  # type: ignore[no-untyped-def]
    x, eight = op.Abs(self), number(8.0, self)
    small = op.LessOrEqual(x, eight)
    near = op.Sub(op.Mul(op.Where(small, x, eight), number(0.25, self)), number(1.0, self))
    out = op.Where(small, eight, x)
    far = op.Sub(op.Div(number(16.0, self), out), number(1.0, self))
    inner = op.Mul(chebyshev(near, _scaled_bessel), op.Exp(op.Where(small, x, number(0.0, self))))
    # the power of half of it, twice: the whole may be beyond every number where the result is not
    power = op.Exp(op.Mul(out, number(0.5, self)))
    outer = op.Mul(op.Div(op.Mul(chebyshev(far, _scaled_bessel_far), power), op.Sqrt(out)), power)
    found = op.Where(small, inner, outer)
    return op.Where(op.IsInf(x), number(math.nan, x), found)  # as PyTorch has it


def chebyshev(t: Any, function: Callable[[Any], Any]) -> Any:
    """A function on the interval from −1 to 1, by Clenshaw's sum."""
    coefficients = np.polynomial.chebyshev.chebinterpolate(function, 28)
    twice, last, before = op.Mul(t, number(2.0, t)), number(0.0, t), number(0.0, t)
    for coefficient in reversed(coefficients[1:].tolist()):
        last, before = op.Add(op.Sub(op.Mul(twice, last), before), number(coefficient, t)), last
    return op.Add(op.Sub(op.Mul(t, last), before), number(float(coefficients[0]), t))


def scaled_complement(x: Any) -> Any:
    """exp(x²) · erfc(x) of what is not negative."""
    t = op.Div(number(2.0, x), op.Add(x, number(2.0, x)))
    at = op.Sub(op.Mul(t, number(2.0, x)), number(1.0, x))
    return op.Mul(t, op.Exp(chebyshev(at, _logarithm_of_complement)))


def erfcx(self):  # type: ignore[no-untyped-def]
    below = op.Less(self, number(0.0, self))
    size = op.Where(below, op.Neg(self), self)
    found = scaled_complement(size)
    square = op.Exp(op.Mul(op.Where(below, self, number(0.0, self)), self))
    return op.Where(below, op.Sub(op.Mul(square, number(2.0, self)), found), found)


def complement(x: Any) -> Any:
    """erfc(x), with all of its digits where one less the error function has none."""
    far = op.Greater(x, number(0.5, x))
    out = op.Where(far, x, number(0.5, x))
    tail = op.Mul(scaled_complement(out), op.Exp(op.Neg(op.Mul(out, out))))
    return op.Where(far, tail, op.Sub(number(1.0, x), op.Erf(op.Where(far, number(0.0, x), x))))


def erfc(self):  # type: ignore[no-untyped-def]
    return complement(self)


def frexp(self):  # type: ignore[no-untyped-def]
    one, two = number(1.0, self), number(2.0, self)
    plain = op.Not(op.Or(op.Equal(self, number(0.0, self)), op.Or(op.IsInf(self), op.IsNaN(self))))
    x = op.Where(plain, stop(op.Abs(self)), one)
    exponent = op.Floor(op.Div(op.Log(x), number(math.log(2.0), self)))

    def times_power(value: Any, power: Any) -> Any:
        # in two steps, each of which is a number
        part = op.Floor(op.Div(power, two))
        return op.Mul(op.Mul(value, op.Pow(two, part)), op.Pow(two, op.Sub(power, part)))

    # a logarithm that is rounded may be one too large or too small
    rest = times_power(x, op.Neg(exponent))
    exponent = op.Add(exponent, op.Where(op.GreaterOrEqual(rest, two), one, number(0.0, self)))
    exponent = op.Add(op.Sub(exponent, op.Where(op.Less(rest, one), one, number(0.0, self))), one)
    exponent = op.Where(plain, exponent, number(0.0, self))
    mantissa = op.Where(plain, times_power(self, op.Neg(exponent)), self)
    return mantissa, op.Cast(exponent, to=6)


def _scaled_bessel(t: Any) -> Any:
    """exp(−x) · I₀(x) for x from 0 to 8."""
    x = 4 * (np.asarray(t) + 1)
    return np.i0(x) * np.exp(-x)


def _scaled_bessel_far(t: Any) -> Any:
    """exp(−x) · √x · I₀(x) for x from 8 on, by what 8 / x is."""
    x = 16 / np.maximum(np.asarray(t) + 1, 1e-300)
    near = np.minimum(x, 200.0)
    found = np.i0(near) * np.exp(-near) * np.sqrt(near)
    # beyond, the series in 1 / x
    total, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 12):
        term = term * (2 * k - 1) ** 2 / (8 * k * x)
        total = total + term
    return np.where(x > 200, total / math.sqrt(2 * math.pi), found)


def _logarithm_of_complement(u: Any) -> Any:
    """log(exp(x²) · erfc(x) / t) by where t = 2 / (2 + x) lies between 0 and 1."""
    found = []
    for t in (np.asarray(u).reshape(-1) + 1) / 2:
        x = 2 / max(float(t), 1e-300) - 2
        if x < 2:
            value = math.exp(x * x) * math.erfc(x)
        else:  # the continued fraction of the tail
            fraction = x
            for k in range(120, 0, -1):
                fraction = x + k / 2 / fraction
            value = 1 / (math.sqrt(math.pi) * fraction)
        found.append(math.log(value / max(float(t), 1e-300)))
    return np.asarray(found).reshape(np.shape(u))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.erfc.default: erfc,
        aten.erfinv.default: erfinv,
        aten.frexp.Tensor: frexp,
        aten.i0.default: i0,
        aten.special_erfc.default: erfc,
        aten.special_erfcx.default: erfcx,
        aten.special_ndtri.default: ndtri,
    }
