"""Order statistics: sorted entries, the k-th, medians, modes, and runs of equal entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number, stop

__all__ = ["translations"]


def ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def known_size(x: Any, dim: int, what: str) -> int:
    size = x.shape[dim] if x.shape is not None else None
    if not isinstance(size, int):
        raise NotImplementedError(f"{what} along an axis of free size")
    return size


def single(x: Any) -> tuple[Any, Any]:
    """What is picked of a single number: itself, from the first place."""
    return op.Identity(x), op.Constant(value_int=0)


def ordered(x: Any, dim: int, descending: bool = False) -> tuple[Any, Any]:
    """Entries in order and where they stood; of equal ones the first comes first, and behind all what is no number."""
    values, places = op.TopK(x, ints(known_size(x, dim, "sorting")), axis=dim, largest=int(descending), sorted=1)
    return values, places


def picked(parts: tuple[Any, ...], place: Any, dim: int, keepdim: bool) -> tuple[Any, ...]:
    found = [op.GatherElements(part, place, axis=dim) for part in parts]
    return tuple(found if keepdim else [op.Squeeze(part, ints(dim)) for part in found])


def missing_in(x: Any, dim: int) -> Any:
    """How many entries along an axis are no numbers."""
    return op.ReduceSum(op.Cast(op.IsNaN(x), to=7), ints(dim), keepdims=1)


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return single(self)
    return op.TopK(self, ints(k), axis=dim, largest=int(largest), sorted=int(sorted))


def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return single(self)
    found = op.TopK(self, ints(k), axis=dim, largest=0, sorted=1)
    last = [op.Slice(part, ints(k - 1), ints(k), ints(dim)) for part in found]
    return tuple(last if keepdim else [op.Squeeze(part, ints(dim)) for part in last])


def sort_stable(self, stable: bool | None = None, dim: int = -1, descending: bool = False):  # type: ignore[no-untyped-def]
    return ordered(self, dim, descending) if len(self.shape) else single(self)


def median_dim(self, dim: int, keepdim: bool = False):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return single(self)
    size = known_size(self, dim, "a median")
    parts = ordered(self, dim)
    middle = ints((size - 1) // 2)
    line = op.Reshape(middle, ints(*[1] * len(self.shape)))
    if not self.dtype.is_floating_point():
        place = op.Add(op.Mul(op.Slice(parts[1], ints(0), ints(1), ints(dim)), ints(0)), line)
        return picked(parts, place, dim, keepdim)
    missing = missing_in(self, dim)
    # the first that is no number, if there is any
    place = op.Where(op.Greater(missing, ints(0)), op.Sub(ints(size), missing), line)
    return picked(parts, place, dim, keepdim)


def nanmedian_dim(self, dim: int, keepdim: bool = False):  # type: ignore[no-untyped-def]
    if not len(self.shape) or not self.dtype.is_floating_point():
        return median_dim(self, dim, keepdim)
    size = known_size(self, dim, "a median")
    several = op.Sub(ints(size - 1), missing_in(self, dim))
    place = op.Div(op.Max(several, ints(0)), ints(2))
    return picked(ordered(self, dim), place, dim, keepdim)


def of_all(function: Callable[..., Any]) -> Callable[..., Any]:
    def made(self):  # type: ignore[no-untyped-def]
        if not len(self.shape):
            return op.Identity(self)
        sizes = list(self.shape)
        if not all(isinstance(size, int) for size in sizes):
            raise NotImplementedError("a median of a tensor of free size")
        if not math.prod(sizes):
            raise NotImplementedError("a median of nothing")
        line = op.Reshape(self, ints(math.prod(sizes)))
        line.dtype, line.shape = self.dtype, _shape([math.prod(sizes)])
        found, _ = function(line, 0)
        if not self.dtype.is_floating_point():
            return found
        # all that are equal to it share the derivative
        found = stop(found)
        equal = op.Or(op.Equal(self, found), op.And(op.IsNaN(self), op.IsNaN(found)))
        there = op.CastLike(equal, self)
        finite = op.Where(op.And(equal, op.Not(op.Or(op.IsInf(self), op.IsNaN(self)))), self, number(0.0, self))
        moves = op.Div(op.ReduceSum(op.Sub(finite, stop(finite)), keepdims=0), op.ReduceSum(there, keepdims=0))
        return op.Add(found, moves)

    return made


def mode(self, dim: int = -1, keepdim: bool = False):  # type: ignore[no-untyped-def]
    if not len(self.shape):
        return single(self)
    size, rank = known_size(self, dim, "a mode"), len(self.shape)
    values, places = ordered(self, dim)

    def cut(t: Any, start: int, end: int) -> Any:
        return op.Slice(t, ints(start), ints(end), ints(dim))

    shape = [1] * rank
    shape[dim] = size
    numbers = op.Add(op.Mul(places, ints(0)), op.Reshape(ints(*range(size)), ints(*shape)))
    # where the run begins that an entry belongs to: the last place so far at which another value stands than before
    begins = numbers
    if size > 1:
        same = op.Equal(cut(values, 1, size), cut(values, 0, size - 1))
        begins = op.Concat(cut(numbers, 0, 1), op.Where(same, ints(0), cut(numbers, 1, size)), axis=dim)
    done = 1
    while done < size:
        latest = op.Max(cut(begins, done, size), cut(begins, 0, size - done))
        begins = op.Concat(cut(begins, 0, done), latest, axis=dim)
        done *= 2
    # the first of the longest runs, of which the last entry is taken
    longest = op.ArgMax(op.Sub(numbers, begins), axis=dim, keepdims=1)
    return picked((values, places), longest, dim, keepdim)


def unique_consecutive(  # type: ignore[no-untyped-def]
    self, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    rank = len(self.shape)
    if dim is None:
        sizes = list(self.shape)
        if not all(isinstance(size, int) for size in sizes):
            raise NotImplementedError("runs in a tensor of free size")
        size, axis = math.prod(sizes), 0
        x = self if rank == 1 else op.Reshape(self, ints(size))
        others: list[int] = []
    else:
        size, axis, x = known_size(self, dim, "runs"), dim % rank, self
        others = [k for k in range(rank) if k != axis]
    line = ints(*range(size)) if size else no_integers()
    first = op.Cast(op.Equal(line, ints(0)), to=9)
    begins = first
    if size > 1:
        before = op.Slice(x, ints(0), ints(size - 1), ints(axis))
        after = op.Slice(x, ints(1), ints(size), ints(axis))
        other = op.Cast(op.Not(op.Equal(before, after)), to=7)
        if others:
            other = op.ReduceMax(other, ints(*others), keepdims=0)
        begins = op.Concat(op.Slice(first, ints(0), ints(1), ints(0)), op.Cast(other, to=9), axis=0)
    found = op.Compress(x, begins, axis=axis)
    counted = op.Cast(begins, to=7)
    inverse = op.Sub(op.CumSum(counted, op.Constant(value_int=0)), ints(1))
    starts = op.Compress(line, begins, axis=0)
    ends = op.Concat(op.Slice(starts, ints(1), ints(size + 1), ints(0)), ints(size), axis=0)
    if dim is None and rank != 1:
        inverse = op.Reshape(inverse, ints(*self.shape) if rank else no_integers())
    return found, inverse, op.Sub(ends, starts)


def _shape(sizes: list[int]) -> Any:
    return ir.Shape(sizes)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.kthvalue.default: kthvalue,
        aten.median.default: of_all(median_dim),
        aten.median.dim: median_dim,
        aten.mode.default: mode,
        aten.nanmedian.default: of_all(nanmedian_dim),
        aten.nanmedian.dim: nanmedian_dim,
        aten.sort.stable: sort_stable,
        aten.topk.default: topk,
        aten.unique_consecutive.default: unique_consecutive,
    }
