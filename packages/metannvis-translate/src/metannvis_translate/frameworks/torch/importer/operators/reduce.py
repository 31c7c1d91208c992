"""Reductions over axes, places of extremes, cumulative sums and products."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.integers import UNSIGNED
from metannvis_translate.frameworks.torch.importer.operators.pool import GLOBAL_AVERAGE, GLOBAL_MAX
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, is_identity, kept_axes
from metannvis_translate.graph.metadata import NUMBERS
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["REDUCTIONS"]

Reduction = Callable[["TorchImporter", fx.Node, tuple[int, ...], bool], fx.Node]


def _function(function: Callable[..., Any]) -> Reduction:
    return lambda ctx, x, dims, keep: ctx.function(function, x, dims, keep)


def _prod(ctx: TorchImporter, x: fx.Node, dims: tuple[int, ...], keep: bool) -> fx.Node:
    for dim in sorted(dims, reverse=True):
        x = ctx.function(torch.prod, x, dim, keep)
    return x


def _norm(order: int) -> Reduction:
    return lambda ctx, x, dims, keep: ctx.function(torch.linalg.vector_norm, x, order, dims, keep)


def _sum_of(before: Callable[..., Any] | None, after: Callable[..., Any] | None) -> Reduction:
    def reduce(ctx: TorchImporter, x: fx.Node, dims: tuple[int, ...], keep: bool) -> fx.Node:
        if before is not None:
            x = ctx.function(before, x)
        x = ctx.function(torch.sum, x, dims, keep)
        return ctx.function(after, x) if after is not None else x

    return reduce


def whole_mean(x: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    """A mean of integers, with the fraction cut off."""
    count = math.prod(x.shape[dim] for dim in dims)
    return torch.div(x.sum(dims, keep), max(count, 1), rounding_mode="trunc")


REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": lambda ctx, x, dims, keep: ctx.function(
        whole_mean if ctx.is_integer() else torch.mean, x, dims, keep
    ),
    "ReduceSum": _function(torch.sum),
    # where several are the largest, `amax` gives each its part of the gradient, as TensorFlow does
    "ReduceMax": _function(torch.amax),
    "ReduceMin": _function(torch.amin),
    "ReduceProd": _prod,
    "ReduceL1": _sum_of(torch.abs, None),
    "ReduceL2": _norm(2),
    "ReduceLogSum": _sum_of(None, torch.log),
    "ReduceLogSumExp": _function(torch.logsumexp),
    "ReduceSumSquare": _sum_of(torch.square, None),
}
#: The same by functions that pick one element, which then has the whole gradient.
PICKING = {REDUCTIONS["ReduceMax"]: torch.max, REDUCTIONS["ReduceMin"]: torch.min}


def reduce(ctx: TorchImporter, reduction: Reduction, data: Value, axes: Sequence[int], keepdims: int) -> LaidOut:
    """Reduce over logical axes, all of them if none are given."""
    x = ctx.placed(data)
    axes = tuple(sorted({axis % x.rank for axis in axes})) if len(axes) else tuple(range(x.rank))
    dims = tuple(sorted(x.axis(axis) for axis in axes))
    order = x.order if keepdims else kept_axes(x.order, axes)
    if not dims:
        return x
    if reduction is REDUCTIONS["ReduceMean"] and _is_global_pool(ctx, x, dims):
        pooled = ctx.module(GLOBAL_AVERAGE[x.rank - 3](1), x.tensor)
        return LaidOut(pooled if keepdims else ctx.function(torch.flatten, pooled, 1), order)
    if ctx.ties == "index" and reduction is REDUCTIONS["ReduceMax"] and len(dims) > 1 and _is_global_pool(ctx, x, dims):
        pooled = ctx.module(GLOBAL_MAX[x.rank - 3](1), x.tensor)
        return LaidOut(pooled if keepdims else ctx.function(torch.flatten, pooled, 1), order)
    if ctx.ties == "index" and len(dims) == 1 and reduction in PICKING:
        picked = ctx.function(PICKING[reduction], x.tensor, dims[0], bool(keepdims))
        return LaidOut(ctx.function(operator.getitem, picked, 0), order)
    shape = ctx.shape(0) or ()
    if reduction in PICKING and any(shape[axis : axis + 1] == (0,) for axis in axes):
        largest = reduction is REDUCTIONS["ReduceMax"]
        return LaidOut(ctx.function(extremum_of_none, x.tensor, dims, bool(keepdims), largest=largest), order)
    result = reduction(ctx, x.tensor, dims, bool(keepdims))
    if ctx.is_integer() and reduction not in PICKING:  # which PyTorch adds up in 64 bits
        result = ctx.method("to", result, getattr(torch, str(ctx.numpy_dtype(ctx.node.inputs[0]))))
    return LaidOut(result, order)


def extremum_of_none(x: torch.Tensor, dims: tuple[int, ...], keep: bool, *, largest: bool) -> torch.Tensor:
    """Maximum or minimum over axes without elements: the least or the greatest that there is."""
    dtype = x.dtype
    ends: tuple[float, float] = (-torch.inf, torch.inf)
    if dtype == torch.bool:
        ends = (False, True)
    elif not dtype.is_floating_point:
        ends = (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    return torch.full_like(x.to(torch.float32).sum(dims, keep), ends[not largest], dtype=dtype)


def _is_global_pool(ctx: TorchImporter, x: LaidOut, dims: tuple[int, ...]) -> bool:
    """Whether it is a mean over the space of an image, for which toolkits have rules if a pool does it."""
    if not 3 <= x.rank <= 5 or dims != tuple(range(2, x.rank)) or ctx.is_integer():
        return False
    # of three axes the last may well be features, unless somebody brought the channels in front of it
    return x.rank > 3 or not is_identity(x.order)


def _register(name: str, by_input: int, reduction: Reduction) -> None:
    def by_attribute(ctx: TorchImporter, data: Value, *, axes: Sequence[int] = (), keepdims: int = 1) -> LaidOut:
        return reduce(ctx, reduction, data, axes, keepdims)

    def with_input(
        ctx: TorchImporter, data: Value, axes: Value | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> LaidOut:
        chosen = [] if axes is None else ctx.known(axes, "axes").reshape(-1).tolist()
        if not chosen and noop_with_empty_axes:
            return ctx.placed(data)
        return reduce(ctx, reduction, data, chosen, keepdims)

    for since, function in ((1, by_attribute), (by_input, with_input)):
        function.__name__ = function.__qualname__ = name if since > 1 else f"{name}_1"
        function.__doc__ = f"{name}, its axes {'an input' if since > 1 else 'an attribute'}."
        converter(name, since=since)(function)


for _name, _reduction in REDUCTIONS.items():
    _register(_name, 13 if _name == "ReduceSum" else 18, _reduction)


def place_of_number(x: Tensor, dim: int, keep: bool, *, largest: bool, signed: bool) -> Tensor:
    """The first place of the largest or smallest number as TensorFlow looks for it: what is no number is none.

    ``signed`` takes a negative zero for less than zero, as Keras does.
    """
    info = torch.finfo(x.dtype)
    if signed:
        x = torch.where((x == 0) & torch.signbit(x), -info.tiny, x)
    x = torch.where(x > info.min, x, info.min) if largest else torch.where(x < info.max, x, info.max)
    return (torch.argmax if largest else torch.argmin)(x, dim, keep)


def _arg(ctx: TorchImporter, function: Callable[..., Any], data: Value, axis: int, keepdims: int, last: int) -> LaidOut:
    x = ctx.placed(data)
    dim = x.axis(axis)
    order = x.order if keepdims else kept_axes(x.order, (axis,))
    numbers = ctx.stated(NUMBERS)
    if numbers and not ctx.is_integer(0) and not last:
        options = {"largest": function is torch.argmax, "signed": numbers == "signed"}
        return LaidOut(ctx.function(place_of_number, x.tensor, dim, bool(keepdims), **options), order)
    if not last:
        return LaidOut(ctx.function(function, x.tensor, dim, bool(keepdims)), order)
    size = ctx.method("size", x.tensor, dim)
    index = ctx.function(function, ctx.function(torch.flip, x.tensor, (dim,)), dim, bool(keepdims))
    return LaidOut(ctx.function(torch.rsub, index, ctx.function(torch.sub, size, 1)), order)


@converter("ArgMax", since=1)
def ArgMax(ctx: TorchImporter, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> LaidOut:
    """``torch.argmax``."""
    return _arg(ctx, torch.argmax, data, axis, keepdims, select_last_index)


@converter("ArgMin", since=1)
def ArgMin(ctx: TorchImporter, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> LaidOut:
    """``torch.argmin``."""
    return _arg(ctx, torch.argmin, data, axis, keepdims, select_last_index)


@converter("CumSum", since=11)
def CumSum(ctx: TorchImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> LaidOut:
    """``torch.cumsum``."""
    placed = ctx.placed(x)
    dim = placed.axis(int(ctx.known(axis, "axis").reshape(())))
    tensor = placed.tensor
    if reverse:
        tensor = ctx.function(torch.flip, tensor, (dim,))
    options, dtype = {}, ctx.numpy_dtype(ctx.node.inputs[0])
    if dtype is not None and dtype.kind in "iub" and dtype.name not in UNSIGNED:  # which PyTorch adds up in 64 bits
        options["dtype"] = getattr(torch, str(dtype))
    total = ctx.function(torch.cumsum, tensor, dim, **options)
    if exclusive:
        total = ctx.function(torch.sub, total, tensor)
    if reverse:
        total = ctx.function(torch.flip, total, (dim,))
    return LaidOut(total, placed.order)


def cumulative_product(x: Tensor, *, dim: int, exclusive: bool, reverse: bool) -> Tensor:
    """Products of what stands before (or behind), itself among them unless ``exclusive``."""
    if reverse:
        x = x.flip(dim)
    if exclusive:
        ones = torch.ones_like(x.narrow(dim, 0, min(1, x.shape[dim])))
        x = torch.cat((ones, x.narrow(dim, 0, max(x.shape[dim] - 1, 0))), dim)
    y = torch.cumprod(x, dim, dtype=x.dtype)
    return y.flip(dim) if reverse else y


@converter("CumProd", since=26)
def CumProd(ctx: TorchImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> LaidOut:
    """``torch.cumprod``."""
    dim = int(ctx.known(axis, "axis").reshape(())) % x.rank
    options = {"dim": dim, "exclusive": bool(exclusive), "reverse": bool(reverse)}
    return call(ctx, cumulative_product, x, rank=x.rank, **options)
