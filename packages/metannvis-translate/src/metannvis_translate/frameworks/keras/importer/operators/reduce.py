"""Reductions over axes, places of extremes, cumulative sums and products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops

Reduction = Callable[..., Any]


def first(x: Any, extreme: Reduction, axis: int, *, keepdims: bool) -> Any:
    """Index of the first largest (or smallest) element. Keras' own ``argmax`` takes −0 for less than 0."""
    found = ops.equal(x, extreme(x, axis=axis, keepdims=True))
    if "float" in keras.backend.standardize_dtype(x.dtype):  # what is not a number equals nothing, and is the extreme
        found = ops.logical_or(found, ops.isnan(x))
    return ops.argmax(ops.cast(found, "int32"), axis=axis, keepdims=keepdims)


def extreme(function: Reduction, beyond: float, every: Reduction) -> Reduction:
    """Largest or smallest element; of none at all, what lies beyond every element. Of truth values, any or all."""

    def reduced(x: Any, axis: Any, keepdims: bool) -> Any:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype == "bool":
            return every(x, axis=axis, keepdims=keepdims)
        if 0 not in x.shape:
            return function(x, axis=axis, keepdims=keepdims)
        if "int" in dtype:
            limits = np.iinfo(dtype)
            return function(x, axis=axis, keepdims=keepdims, initial=int(limits.min if beyond < 0 else limits.max))
        return function(x, axis=axis, keepdims=keepdims, initial=beyond)

    return reduced


largest, smallest = extreme(ops.max, -np.inf, ops.any), extreme(ops.min, np.inf, ops.all)


def logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    """Composed: Keras' own answers in single precision."""
    top = ops.stop_gradient(largest(x, axis=axis, keepdims=True))
    top = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    total = ops.add(ops.log(ops.sum(ops.exp(ops.subtract(x, top)), axis=axis, keepdims=True)), top)
    return total if keepdims else ops.squeeze(total, axis=axis)


def norm(x: Any, axis: Any, keepdims: bool) -> Any:
    """The root of a sum of squares, none of which overflows; where it is zero its derivative is zero."""
    if "float" not in keras.backend.standardize_dtype(x.dtype):
        return ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=keepdims))
    size = ops.stop_gradient(largest(ops.abs(x), axis=axis, keepdims=True))
    size = ops.where(ops.logical_and(ops.greater(size, 0.0), ops.isfinite(size)), size, ops.ones_like(size))
    total = ops.sum(ops.square(ops.divide(x, size)), axis=axis, keepdims=True)
    none = ops.equal(total, 0.0)
    root = ops.sqrt(ops.where(none, ops.ones_like(total), total))
    found = ops.multiply(ops.where(none, ops.zeros_like(total), root), size)
    return found if keepdims else ops.squeeze(found, axis=axis)


REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": lambda x, axis, keepdims: mean(x, axis, keepdims),
    "ReduceSum": ops.sum,
    "ReduceMax": largest,
    "ReduceMin": smallest,
    "ReduceProd": ops.prod,
    "ReduceL1": lambda x, axis, keepdims: ops.sum(ops.abs(x), axis=axis, keepdims=keepdims),
    "ReduceL2": lambda x, axis, keepdims: norm(x, axis, keepdims),
    "ReduceSumSquare": lambda x, axis, keepdims: ops.sum(ops.square(x), axis=axis, keepdims=keepdims),
    "ReduceLogSum": lambda x, axis, keepdims: ops.log(ops.sum(x, axis=axis, keepdims=keepdims)),
    "ReduceLogSumExp": lambda x, axis, keepdims: logsumexp(x, axis, keepdims),
}


def mean(x: Any, axis: Any, keepdims: bool) -> Any:
    """A mean; of integers with the fraction cut off."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if "int" not in dtype:
        return ops.mean(x, axis=axis, keepdims=keepdims)
    total = ops.sum(ops.cast(x, "int64"), axis=axis, keepdims=keepdims)
    count = ops.sum(ops.ones_like(x, dtype="int64"), axis=axis, keepdims=keepdims)
    whole = ops.floor_divide(ops.abs(total), ops.maximum(count, 1))
    return ops.cast(ops.multiply(whole, ops.sign(total)), dtype)


def reduction(
    ctx: KerasImporter, function: Reduction, data: Value, axes: Sequence[int] | None, keepdims: int
) -> LaidOut:
    """Reduce over logical axes, wherever they lie."""
    x = ctx.placed(data)
    logical = [int(a) % x.rank for a in axes] if axes is not None else list(range(x.rank))
    if not logical:
        return x
    if ctx.ties == "index" and len(logical) == 1:
        where = x.axis(logical[0])
        index = first(x.tensor, function, where, keepdims=True)
        picked = ops.take_along_axis(x.tensor, index, axis=where)
        order = x.order if keepdims else layout.kept_axes(x.order, logical)
        return LaidOut(picked if keepdims else ops.squeeze(picked, axis=where), order)
    tensor = function(x.tensor, axis=tuple(sorted(x.axis(a) for a in logical)), keepdims=bool(keepdims))
    return LaidOut(tensor, x.order if keepdims else layout.kept_axes(x.order, logical))


def _register(operator: str, function: Reduction) -> None:
    inputs_since = 13 if operator == "ReduceSum" else 18

    def by_attribute(
        ctx: KerasImporter, data: Value, *, axes: Sequence[int] | None = None, keepdims: int = 1
    ) -> LaidOut:
        return reduction(ctx, function, data, axes, keepdims)

    def by_input(
        ctx: KerasImporter, data: Value, axes: Value | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> LaidOut:
        known = None if axes is None else ctx.known(axes, "axes").tolist()
        if not known:
            known = [] if noop_with_empty_axes else None
        return reduction(ctx, function, data, known, keepdims)

    by_attribute.__name__ = by_attribute.__qualname__ = f"{operator}_1"
    by_input.__name__ = by_input.__qualname__ = operator
    converter(operator, since=1)(by_attribute)
    converter(operator, since=inputs_since)(by_input)


for _operator, _function in REDUCTIONS.items():
    _register(_operator, _function)


@converter("ArgMax", since=1)
def ArgMax(ctx: KerasImporter, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> LaidOut:
    return position(ctx, ops.max, data, axis, keepdims, select_last_index)


@converter("ArgMin", since=1)
def ArgMin(ctx: KerasImporter, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> LaidOut:
    return position(ctx, ops.min, data, axis, keepdims, select_last_index)


def position(ctx: KerasImporter, function: Reduction, data: Value, axis: int, keepdims: int, last: int) -> LaidOut:
    x = ctx.placed(data)
    where = x.axis(axis)
    tensor = ops.flip(x.tensor, axis=where) if last else x.tensor
    found = ops.cast(first(tensor, function, where, keepdims=bool(keepdims)), "int64")
    if last:
        found = ops.subtract(x.tensor.shape[where] - 1, found)
    return LaidOut(found, x.order if keepdims else layout.kept_axes(x.order, [axis]))


@converter("CumSum", since=11)
def CumSum(ctx: KerasImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> LaidOut:
    return accumulated(ctx, ops.cumsum, ops.zeros_like, x, axis, exclusive, reverse)


@converter("CumProd", since=26)
def CumProd(ctx: KerasImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> LaidOut:
    return accumulated(ctx, ops.cumprod, ops.ones_like, x, axis, exclusive, reverse)


def accumulated(
    ctx: KerasImporter, function: Any, neutral: Any, value: Value, axis: Value, exclusive: int, reverse: int
) -> LaidOut:
    x = ctx.placed(value)
    where = x.axis(int(ctx.known(axis, "axis").reshape(()).item()))
    tensor = ops.flip(x.tensor, axis=where) if reverse else x.tensor
    if exclusive:
        front = (slice(None),) * where
        first, but_last = tensor[(*front, slice(0, 1))], tensor[(*front, slice(None, -1))]
        tensor = ops.concatenate([neutral(first), but_last], axis=where)
    tensor = function(tensor, axis=where)
    return ctx.keep(x, ops.flip(tensor, axis=where) if reverse else tensor)
