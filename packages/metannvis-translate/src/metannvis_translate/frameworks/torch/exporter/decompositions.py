"""Decompositions of operators that PyTorch's exporter lacks, or writes such that a free batch does not survive."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["translations"]


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    import torch
    from onnx import TensorProto
    from onnx.helper import make_tensor
    from onnxscript import opset20 as op

    aten = torch.ops.aten

    # The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
    def instance_norm(  # type: ignore[no-untyped-def]
        input, weight=None, bias=None, running_mean=None, running_var=None, use_input_stats: bool = True,
        momentum: float = 0.1, eps: float = 1e-5, cudnn_enabled: bool = True,
    ):  # fmt: skip
        size = op.Constant(value_ints=[int(input.shape[1])])
        if weight is None:
            weight = op.CastLike(op.Expand(op.Constant(value_float=1.0), size), input)
        if bias is None:
            bias = op.CastLike(op.Expand(op.Constant(value_float=0.0), size), input)
        if use_input_stats:
            return op.InstanceNormalization(input, weight, bias, epsilon=eps)
        return op.BatchNormalization(input, weight, bias, running_mean, running_var, epsilon=eps)

    def prod_dim(self, dim: int, keepdim: bool = False, dtype: int = -1):  # type: ignore[no-untyped-def]
        if not len(self.shape):
            return op.Identity(self)
        return op.ReduceProd(self, op.Constant(value_ints=[dim]), keepdims=int(keepdim))

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False):  # type: ignore[no-untyped-def]
        found = op.TopK(self, op.Constant(value_ints=[k]), axis=dim, largest=0, sorted=1)
        last, end = op.Constant(value_ints=[k - 1]), op.Constant(value_ints=[k])
        along = op.Constant(value_ints=[dim])
        picked = [op.Slice(part, last, end, along) for part in found]
        return tuple(picked if keepdim else [op.Squeeze(part, along) for part in picked])

    def sort_stable(self, stable: bool | None = None, dim: int = -1, descending: bool = False):  # type: ignore[no-untyped-def]
        # of equal entries the first comes first, in either order
        size = self.shape[dim] if self.shape is not None and len(self.shape) else None
        if not isinstance(size, int):
            raise NotImplementedError("sorting along an axis of free size")
        return op.TopK(self, op.Constant(value_ints=[size]), axis=dim, largest=int(descending), sorted=1)

    def median_dim(self, dim: int, keepdim: bool = False):  # type: ignore[no-untyped-def]
        return kthvalue(self, (int(self.shape[dim]) + 1) // 2, dim, keepdim)

    def sinc(self):  # type: ignore[no-untyped-def]
        pi = op.CastLike(op.Constant(value=make_tensor("pi", TensorProto.DOUBLE, [], [math.pi])), self)
        zero = op.CastLike(op.Constant(value_float=0.0), self)
        one = op.CastLike(op.Constant(value_float=1.0), self)
        # the limit where it is reached, and no division by zero beside it, which would spoil the derivative
        at_zero = op.Equal(self, zero)
        angle = op.Where(at_zero, one, op.Mul(self, pi))
        return op.Where(at_zero, one, op.Div(op.Sin(angle), angle))

    def cumprod(self, dim: int, dtype: int = -1):  # type: ignore[no-untyped-def]
        size = self.shape[dim] if self.shape is not None and len(self.shape) else None
        if not isinstance(size, int):
            raise NotImplementedError("products along an axis of free size")
        along, done = op.Constant(value_ints=[dim]), 1
        x = self if dtype == -1 else op.Cast(self, to=dtype)
        while done < size:  # each entry is the product of twice as many as before
            head = op.Slice(x, [0], [done], along)
            x = op.Concat(
                head, op.Mul(op.Slice(x, [done], [size], along), op.Slice(x, [0], [size - done], along)), axis=dim
            )
            done *= 2
        return x

    def cdist(x1, x2, p: float, compute_mode: int | None = None):  # type: ignore[no-untyped-def]
        if not 1 <= p < math.inf:
            raise NotImplementedError(f"distances of the norm {p}")
        apart = op.Sub(op.Unsqueeze(x1, [-2]), op.Unsqueeze(x2, [-3]))
        if p == 1:
            return op.ReduceSum(op.Abs(apart), [-1], keepdims=0)

        def number(value: float) -> Any:
            return op.CastLike(op.Constant(value=make_tensor("p", TensorProto.DOUBLE, [], [value])), x1)

        powers = op.Mul(apart, apart) if p == 2 else op.Pow(op.Abs(apart), number(p))
        total = op.ReduceSum(powers, [-1], keepdims=0)
        # equal points: PyTorch's derivative is zero there, and no infinite one is multiplied by it
        equal = op.Equal(total, number(0.0))
        total = op.Where(equal, number(1.0), total)
        root = op.Sqrt(total) if p == 2 else op.Pow(total, number(1 / p))
        return op.Where(equal, number(0.0), root)

    def copy(self, src, non_blocking: bool = False):  # type: ignore[no-untyped-def]
        # what is copied takes the type and the shape of what it is copied into
        values = op.CastLike(src, self)
        sizes = list(self.shape)
        if list(src.shape) == sizes:
            return values
        fixed = all(isinstance(size, int) for size in sizes)
        return op.Expand(values, op.Constant(value_ints=sizes) if fixed else op.Shape(self))

    return {
        aten.copy.default: copy,
        aten.cumprod.default: cumprod,
        aten._cdist_forward.default: cdist,
        aten.sinc.default: sinc,
        aten.instance_norm.default: instance_norm,
        aten.prod.dim_int: prod_dim,
        aten.kthvalue.default: kthvalue,
        aten.median.dim: median_dim,
        aten.sort.stable: sort_stable,
    }
