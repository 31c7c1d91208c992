"""Softmax, log-softmax and hardmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.operators.activation import activation
from metannvis_translate.frameworks.keras.importer.operators.reduce import first
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Softmax", since=13)
def Softmax(ctx: KerasImporter, input: Value, *, axis: int = -1) -> LaidOut:
    x = ctx.placed(input)
    position = x.axis(axis)
    if x.rank > LARGEST_SOFTMAX:
        return ctx.keep(x, ops.exp(log_of_softmax(x.tensor, position)))
    if ctx.compute == "float16":
        return ctx.keep(x, softmax(x.tensor, position))
    return ctx.keep(x, ctx.layer_of(layers.Softmax, x.tensor, axis=-1 if position == x.rank - 1 else position))


@converter("LogSoftmax", since=13)
def LogSoftmax(ctx: KerasImporter, input: Value, *, axis: int = -1) -> LaidOut:
    x = ctx.placed(input)
    position = x.axis(axis)
    if x.rank > LARGEST_SOFTMAX:
        return ctx.keep(x, log_of_softmax(x.tensor, position))
    if position == x.rank - 1:
        return activation(ctx, x, "log_softmax")
    return ctx.keep(x, ops.log_softmax(x.tensor, axis=position))


#: TensorFlow's kernel takes no more axes.
LARGEST_SOFTMAX = 5


def log_of_softmax(tensor: Any, axis: int) -> Any:
    """``x − log Σ exp(x)``, written out."""
    below = ops.subtract(tensor, ops.max(tensor, axis=axis, keepdims=True))
    return ops.subtract(below, ops.log(ops.sum(ops.exp(below), axis=axis, keepdims=True)))


def softmax(tensor: Any, axis: int) -> Any:
    """Softmax; TensorFlow adds up halves in half precision, so theirs are added up in single."""
    if keras.backend.standardize_dtype(tensor.dtype) != "float16":
        return ops.softmax(tensor, axis=axis)
    powers = ops.exp(ops.subtract(tensor, ops.stop_gradient(ops.max(tensor, axis=axis, keepdims=True))))
    total = ops.sum(ops.cast(powers, "float32"), axis=axis, keepdims=True)
    return ops.divide(powers, ops.cast(total, "float16"))


@converter("Softmax", since=1)
def Softmax_1(ctx: KerasImporter, input: Value, *, axis: int = 1) -> LaidOut:
    """Before opset 13: over all axes from ``axis`` on, together."""
    return flattened(ctx, input, axis, softmax, Softmax)


@converter("LogSoftmax", since=1)
def LogSoftmax_1(ctx: KerasImporter, input: Value, *, axis: int = 1) -> LaidOut:
    """Before opset 13: over all axes from ``axis`` on, together."""
    return flattened(ctx, input, axis, ops.log_softmax, LogSoftmax)


def flattened(ctx: KerasImporter, value: Value, axis: int, function: Any, single: Any) -> LaidOut:
    rank = value.rank
    if axis % rank == rank - 1:
        result: LaidOut = single(ctx, value, axis=-1)
        return result
    x = ctx.plain(value)
    shape = [-1 if d is None else d for d in x.tensor.shape]
    width = int(np.prod(shape[axis % rank :]))
    if width < 0 or shape.count(-1) > 1:
        ctx.refuse("its axes have free sizes")
    tensor = function(ops.reshape(x.tensor, (-1, width)), axis=-1)
    return LaidOut(ops.reshape(tensor, shape), x.order)


@converter("Hardmax", since=1)
def Hardmax_1(ctx: KerasImporter, input: Value, *, axis: int = 1) -> LaidOut:
    """Over the given axis and all behind it."""
    x = ctx.plain(input)
    shape = x.tensor.shape
    where = axis % x.rank
    if None in shape[where:]:
        ctx.refuse("an axis of free size is not supported")
    flat = ops.reshape(x.tensor, (*(-1 if size is None else size for size in shape[:where]), math.prod(shape[where:])))
    picked = ops.one_hot(first(flat, ops.max, where, keepdims=False), flat.shape[where], axis=-1, dtype=flat.dtype)
    return ctx.keep(x, ops.reshape(picked, [-1 if size is None else size for size in shape]))


@converter("Hardmax", since=13)
def Hardmax(ctx: KerasImporter, input: Value, *, axis: int = -1) -> LaidOut:
    """One for the first largest element along an axis, zero for the others."""
    x = ctx.placed(input)
    where = x.axis(axis)
    size = x.tensor.shape[where]
    if size is None:
        ctx.refuse("an axis of free size is not supported")
    index = first(x.tensor, ops.max, where, keepdims=False)
    place = -1 if where == x.rank - 1 else where
    return ctx.keep(x, ops.one_hot(index, size, axis=place, dtype=x.tensor.dtype))
