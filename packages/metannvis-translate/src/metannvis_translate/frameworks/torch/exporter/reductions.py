"""Reductions at their edges: norms and deviations where they are zero, cumulative sums in the logarithm, diagonals.

PyTorch's derivative of a norm or a deviation that is zero is zero; that of the root which PyTorch's exporter writes is not a
number. And what is picked by a product with zeros is not picked from infinite values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import log_of_sum, number

__all__ = ["translations"]


def root(x: Any, exponent: float | None = None) -> Any:
    """A root whose derivative is zero where it is zero."""
    none = op.Equal(x, number(0.0, x))
    safe = op.Where(none, number(1.0, x), x)
    found = op.Sqrt(safe) if exponent is None else op.Pow(safe, number(exponent, x))
    return op.Where(none, number(0.0 if exponent is None or exponent > 0 else math.inf, x), found)


def axes_of(x: Any, dim: Any) -> list[int]:
    if not len(x.shape):
        return []
    if dim is None or (not isinstance(dim, int) and not len(dim)):
        return list(range(len(x.shape)))
    return [int(k) for k in ([dim] if isinstance(dim, int) else dim)]


def along(axes: Sequence[int]) -> Any:
    return op.Constant(value_ints=list(axes))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def vector_norm(  # type: ignore[no-untyped-def]
    self, ord: float = 2.0, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: int = -1
):
    x = self if dtype in (-1, None) else op.Cast(self, to=dtype)
    axes, keep = axes_of(self, dim), int(keepdim)
    if not axes:  # a single number
        same = op.Abs(x)
        return op.CastLike(op.Not(op.Equal(x, number(0.0, x))), x) if ord == 0 else same
    if math.isinf(ord):
        return (op.ReduceMax if ord > 0 else op.ReduceMin)(op.Abs(x), along(axes), keepdims=keep)
    if ord == 0:
        return op.ReduceSum(op.CastLike(op.Not(op.Equal(x, number(0.0, x))), x), along(axes), keepdims=keep)
    if ord == 1:
        return op.ReduceSum(op.Abs(x), along(axes), keepdims=keep)
    if ord == 2:
        return op.ReduceL2(x, along(axes), keepdims=keep)
    size, zero = op.Abs(x), number(0.0, x)
    none = op.Equal(x, zero)
    powers = op.Pow(op.Where(none, number(1.0, x), size), number(ord, x))
    powers = op.Where(none, zero if ord > 0 else number(math.inf, x), powers)
    total = op.ReduceSum(powers, along(axes), keepdims=keep)
    if ord < 0:
        return op.Pow(total, number(1 / ord, x))
    return root(total, 1 / ord)


def variance(x: Any, axes: Sequence[int], correction: float, keep: bool) -> tuple[Any, Any]:
    mean = op.ReduceMean(x, along(axes), keepdims=1)
    apart = op.Sub(x, mean)
    sizes = [x.shape[axis] for axis in axes]
    total = op.ReduceSum(op.Mul(apart, apart), along(axes), keepdims=int(keep))
    if all(isinstance(size, int) for size in sizes):
        count = math.prod(int(size) for size in sizes)
        divisor = number(float(max(count - correction, 0.0)), x)
    else:
        several = op.ReduceProd(op.Gather(op.Shape(x), along([axis % len(x.shape) for axis in axes])), keepdims=0)
        divisor = op.Max(op.Sub(op.CastLike(several, x), number(float(correction), x)), number(0.0, x))
    spread = op.Div(total, divisor)
    return spread, mean if keep else op.Squeeze(mean, along(axes))


def standard_deviation(  # type: ignore[no-untyped-def]
    self, dim: Sequence[int] | None = None, correction: float | None = None, keepdim: bool = False
):
    spread, _ = variance(self, axes_of(self, dim), 1.0 if correction is None else correction, keepdim)
    return root(spread)


def standard_deviation_and_mean(  # type: ignore[no-untyped-def]
    self, dim: Sequence[int] | None = None, correction: float | None = None, keepdim: bool = False
):
    spread, mean = variance(self, axes_of(self, dim), 1.0 if correction is None else correction, keepdim)
    return root(spread), mean


def logcumsumexp(self, dim: int):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return op.Identity(self)
    size = self.shape[dim]
    if not isinstance(size, int):
        raise NotImplementedError("sums along an axis of free size")
    x, done, axis = self, 1, along([dim])

    def cut(start: int, end: int) -> Any:
        return op.Slice(x, along([start]), along([end]), axis)

    while done < size:  # each entry is the sum of twice as many as before
        x = op.Concat(cut(0, done), log_of_sum(cut(done, size), cut(0, size - done)), axis=dim)
        done *= 2
    return x


def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1):  # type: ignore[no-untyped-def]
    from onnxscript.function_libs.torch_lib.ops.core import aten_diagonal

    rank = len(self.shape)
    first, second = dim1 % rank, dim2 % rank
    rows, columns = self.shape[first], self.shape[second]
    if not isinstance(rows, int) or not isinstance(columns, int):
        return aten_diagonal(self, offset, dim1, dim2)
    others = [k for k in range(rank) if k not in (first, second)]
    x = op.Transpose(self, perm=[*others, first, second])
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    start = offset if offset >= 0 else -offset * columns
    # its entries lie one row and one column apart
    line = op.Reshape(x, op.Constant(value_ints=[*[0] * len(others), rows * columns]))
    if count == 0:
        return op.Slice(line, along([0]), along([0]), along([len(others)]))
    end = start + (count - 1) * (columns + 1) + 1
    return op.Slice(line, along([start]), along([end]), along([len(others)]), along([columns + 1]))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.linalg_vector_norm.default: vector_norm,
        aten.std.correction: standard_deviation,
        aten.std_mean.correction: standard_deviation_and_mean,
        aten.logcumsumexp.default: logcumsumexp,
        aten.diagonal.default: diagonal,
        aten.diagonal_copy.default: diagonal,
    }
