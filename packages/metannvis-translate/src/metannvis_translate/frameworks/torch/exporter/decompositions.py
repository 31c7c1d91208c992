"""Decompositions of operators that PyTorch's exporter lacks, or writes such that a free batch does not survive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir
import torch
from onnx import TensorProto
from onnx.helper import make_tensor
from onnx.numpy_helper import from_array
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.corrected_functions import scatter_reduce

__all__ = ["translations"]


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


def cumprod(self, dim: int, dtype: int = -1):  # type: ignore[no-untyped-def]
    x = self if dtype == -1 else op.Cast(self, to=dtype)
    if not len(self.shape):
        return op.Identity(x)
    size = self.shape[dim]
    if not isinstance(size, int):
        raise NotImplementedError("products along an axis of free size")
    along, done = op.Constant(value_ints=[dim]), 1
    while done < size:  # each entry is the product of twice as many as before
        head = op.Slice(x, [0], [done], along)
        x = op.Concat(
            head, op.Mul(op.Slice(x, [done], [size], along), op.Slice(x, [0], [size - done], along)), axis=dim
        )
        done *= 2
    return x


def at_least(rank: int) -> Callable[..., Any]:
    def raised(x: Any) -> Any:
        have = len(x.shape)
        if have >= rank:
            return op.Identity(x)
        # a line becomes the row of a matrix, a matrix the picture of one channel
        axes = {(1, 0): [0], (2, 0): [0, 1], (2, 1): [0], (3, 0): [0, 1, 2], (3, 1): [0, 2], (3, 2): [2]}[rank, have]
        return op.Unsqueeze(x, op.Constant(value_ints=axes))

    return raised


def one(rank: int) -> Callable[..., Any]:
    def made(self):  # type: ignore[no-untyped-def]
        return at_least(rank)(self)

    return made


def several(rank: int) -> Callable[..., Any]:
    def made(tensors: Sequence[Any]):  # type: ignore[no-untyped-def]
        return [at_least(rank)(tensor) for tensor in tensors]

    return made


def same(a):  # type: ignore[no-untyped-def]
    return op.Identity(a)


def index_reduce(self, dim: int, index, source, reduce: str, include_self: bool = True):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return scatter_reduce(self, 0, index, source, reduce, include_self)
    line = [1] * len(self.shape)
    line[dim] = -1
    places = op.Expand(op.Reshape(index, op.Constant(value_ints=line)), op.Shape(source))
    return scatter_reduce(self, dim, places, source, reduce, include_self)


def index_fill(self, dim: int, index, value):  # type: ignore[no-untyped-def]
    return filled(self, dim, index, op.CastLike(value, self))


def index_fill_with_scalar(self, dim: int, index, value: float):  # type: ignore[no-untyped-def]
    return filled(
        self,
        dim,
        index,
        op.CastLike(op.Constant(value=make_tensor("value", TensorProto.DOUBLE, [], [value])), self),
    )


def filled(x: Any, dim: int, index: Any, value: Any) -> Any:
    sizes = list(x.shape)
    if not sizes:
        return op.Where(op.Equal(x, x), value, value)
    size = sizes[dim]
    if not isinstance(size, int):
        raise NotImplementedError("rows filled along an axis of free size")
    line = [1] * len(sizes)
    line[dim] = size
    # each of the places once, also where an index says it again
    places = op.Unsqueeze(op.Constant(value_ints=list(range(size))), [1])
    named = op.CastLike(op.Equal(places, op.Reshape(index, [1, -1])), op.Constant(value_int=0))
    mask = op.Greater(op.ReduceSum(named, [1], keepdims=0), op.Constant(value_int=0))
    return op.Where(op.Reshape(mask, op.Constant(value_ints=line)), value, x)


def extreme_so_far(largest: bool) -> Callable[..., Any]:
    def made(self, dim: int):  # type: ignore[no-untyped-def]
        rank = len(self.shape)
        if not rank:
            return op.Identity(self), op.CastLike(op.Constant(value_int=0), op.Constant(value_int=0))
        size = self.shape[dim]
        if not isinstance(size, int):
            raise NotImplementedError("extremes along an axis of free size")
        along, done, x = op.Constant(value_ints=[dim]), 1, self
        line = [1] * rank
        line[dim] = size
        index = op.Reshape(op.Constant(value_ints=list(range(size))), op.Constant(value_ints=line))
        index = op.Expand(index, op.Shape(x))
        while done < size:

            def cut(t: Any, start: int, end: int) -> Any:
                return op.Slice(t, op.Constant(value_ints=[start]), op.Constant(value_ints=[end]), along)

            new, old = cut(x, done, size), cut(x, 0, size - done)
            better = op.Greater(old, new) if largest else op.Less(old, new)
            if x.dtype is None or x.dtype.is_floating_point():
                # what is no number stays the extreme from where it stands
                better = op.And(op.Or(better, op.IsNaN(old)), op.Not(op.IsNaN(new)))
            values, places = (
                op.Where(better, old, new),
                op.Where(better, cut(index, 0, size - done), cut(index, done, size)),
            )
            x, index = (
                op.Concat(cut(x, 0, done), values, axis=dim),
                op.Concat(cut(index, 0, done), places, axis=dim),
            )
            done *= 2
        return x, index

    return made


def aminmax(self, dim: int | None = None, keepdim: bool = False):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return op.Identity(self), op.Identity(self)
    axes = op.Constant(value_ints=list(range(len(self.shape))) if dim is None else [dim])
    return op.ReduceMin(self, axes, keepdims=int(keepdim)), op.ReduceMax(self, axes, keepdims=int(keepdim))


def bilinear_antialiased(  # type: ignore[no-untyped-def]
    self,
    output_size: Sequence[int],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
):
    return resized_antialiased(self, output_size, align_corners, "linear")


def bicubic_antialiased(  # type: ignore[no-untyped-def]
    self,
    output_size: Sequence[int],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
):
    return resized_antialiased(self, output_size, align_corners, "cubic")


def resized_antialiased(x: Any, output_size: Sequence[int], align_corners: bool, mode: str) -> Any:
    from onnxscript.function_libs.torch_lib.ops import nn as library

    if align_corners:
        return resized_by_shares(x, output_size, mode)
    name = "_upsample_bilinear2d_aa" if mode == "linear" else "_upsample_bicubic2d_aa"
    return getattr(library, f"aten_{name}")(x, output_size, align_corners)


def resized_by_shares(x: Any, output_size: Sequence[int], mode: str) -> Any:
    """A product with each pixel's share in each of the result's, an axis at a time.

    With aligned corners PyTorch places its windows as no resizing of the standard does: it is asked for the shares itself.
    """
    aten = torch.ops.aten
    function = aten._upsample_bilinear2d_aa if mode == "linear" else aten._upsample_bicubic2d_aa
    for axis, count in zip((-2, -1), output_size, strict=True):
        size = x.shape[axis] if axis == -1 or x.shape is not None else None
        if not isinstance(size, int):
            raise NotImplementedError("an antialiased resizing of an image of free size, with align_corners")
        # a row for each pixel, that has this one alone
        rows = torch.eye(size, dtype=torch.float64)[None, None]
        shares = function.default(rows, [size, count], True)[0, 0].numpy()
        if axis == -2:
            shares = shares.T
        matrix = op.CastLike(op.Constant(value=from_array(shares.copy())), x)
        shape = x.shape
        x = op.MatMul(matrix, x) if axis == -2 else op.MatMul(x, matrix)
        x.shape = ir.Shape([*shape[:axis], count, *(shape[axis + 1 :] if axis != -1 else ())])
    return x


def pixel_unshuffle(self, downscale_factor: int):  # type: ignore[no-untyped-def]
    from onnxscript.function_libs.torch_lib.ops.core import aten_pixel_unshuffle

    sizes, by = list(self.shape), downscale_factor
    if 0 not in sizes or not all(isinstance(size, int) for size in sizes):
        return aten_pixel_unshuffle(self, by)
    # of nothing no size is found by counting
    new = [*sizes[:-3], sizes[-3] * by * by, sizes[-2] // by, sizes[-1] // by]
    return op.Reshape(self, op.Constant(value_ints=new), allowzero=1)


def copy(self, src, non_blocking: bool = False):  # type: ignore[no-untyped-def]
    # what is copied takes the type and the shape of what it is copied into
    values = op.CastLike(src, self)
    sizes = list(self.shape)
    if list(src.shape) == sizes:
        return values
    fixed = all(isinstance(size, int) for size in sizes)
    return op.Expand(values, op.Constant(value_ints=sizes) if fixed else op.Shape(self))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.copy.default: copy,
        aten.pixel_unshuffle.default: pixel_unshuffle,
        aten._upsample_bilinear2d_aa.default: bilinear_antialiased,
        aten._upsample_bicubic2d_aa.default: bicubic_antialiased,
        aten.atleast_1d.default: one(1),
        aten.atleast_2d.default: one(2),
        aten.atleast_3d.default: one(3),
        aten.atleast_1d.Sequence: several(1),
        aten.atleast_2d.Sequence: several(2),
        aten.atleast_3d.Sequence: several(3),
        torch.ops.prims.view_of.default: same,
        aten.index_reduce.default: index_reduce,
        aten.index_fill.int_Tensor: index_fill,
        aten.index_fill.int_Scalar: index_fill_with_scalar,
        aten.cummax.default: extreme_so_far(largest=True),
        aten.cummin.default: extreme_so_far(largest=False),
        aten.aminmax.default: aminmax,
        aten.cumprod.default: cumprod,
        aten.instance_norm.default: instance_norm,
        aten.prod.dim_int: prod_dim,
    }
