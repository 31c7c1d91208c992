"""Tensors made of sizes, ranges and positions, and what accumulates along an axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects, layout
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_keras.reduce import first
from metannvis_translate.onnx_to_keras.registry import converter
from metannvis_translate.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

ops = keras.ops


@converter("Shape", since=1)
def Shape_1(ctx: KerasImporter, data: Value) -> Placed:
    return shape(ctx, data, 0, None)


@converter("Shape", since=15)
def Shape(ctx: KerasImporter, data: Value, *, end: int | None = None, start: int = 0) -> Placed:
    return shape(ctx, data, start, end)


def shape(ctx: KerasImporter, data: Value, start: int, end: int | None) -> Placed:
    return Placed(ctx.operator_layer(keras_objects.Shape, ctx.plain(data).tensor, start=start, end=end), (0,))


@converter("Size", since=1)
def Size(ctx: KerasImporter, data: Value) -> Placed:
    return Placed(ctx.operator_layer(keras_objects.Size, ctx.placed(data).tensor), ())


@converter("ConstantOfShape", since=9)
def ConstantOfShape(ctx: KerasImporter, input: Value, *, value: Any = None) -> Placed:
    """Of a shape that is computed when the model runs."""
    array = np.zeros(1, np.float32) if value is None else value.numpy()
    tensor = ctx.operator_layer(
        keras_objects.Filled, ctx.plain(input).tensor, value=array.item(), to=ctx.float_dtype(array.dtype.name)
    )
    return Placed(tensor, layout.identity(len(tensor.shape)))


@converter("EyeLike", since=9)
def EyeLike(ctx: KerasImporter, input: Value, *, dtype: int | None = None, k: int = 0) -> Placed:
    x = ctx.plain(input)
    to = x.tensor.dtype if dtype is None else ctx.dtype_named(dtype)
    return Placed(ctx.operator_layer(keras_objects.EyeLike, x.tensor, k=k, to=to), x.order)


@converter("Range", since=11)
def Range(ctx: KerasImporter, start: Value, limit: Value, delta: Value) -> Placed:
    tensors = [ctx.plain(value).tensor for value in (start, limit, delta)]
    return Placed(ctx.operator_layer(keras_objects.Range, *tensors), (0,))


@converter("OneHot", since=9)
def OneHot(ctx: KerasImporter, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> Placed:
    """An index beyond the depth, counted from the front or the end, gives a row of "off"."""
    count = int(ctx.known(depth, "depth").reshape(()).item())
    i = ctx.plain(indices).tensor
    if "int" not in i.dtype:
        i = ops.cast(i, "int64")
    i = ops.where(ops.less(i, 0), ops.add(i, count), i)
    rank = len(i.shape) + 1
    where = axis % rank
    classes = np.arange(count, dtype=i.dtype).reshape([-1 if k == where else 1 for k in range(rank)])
    hit = ops.equal(ops.expand_dims(i, where), classes)
    if isinstance(values, Const):
        off, on = values.array[0], values.array[1]
    else:
        pair = ctx.plain(values).tensor
        off, on = pair[0], pair[1]
    return Placed(ops.where(hit, on, off), layout.identity(rank))


@converter("Trilu", since=14)
def Trilu(ctx: KerasImporter, input: Value, k: Value | None = None, *, upper: int = 1) -> Placed:
    x = ctx.plain(input)
    shift = 0 if k is None else int(ctx.known(k, "k").reshape(()).item())
    rows, columns = x.tensor.shape[-2:]
    if rows is None or columns is None:
        ctx.refuse("its matrices have a free size")
    inside = np.tri(rows, columns, shift - 1 if upper else shift, dtype=bool)
    kept = np.logical_not(inside) if upper else inside
    return ctx.keep(x, ops.where(kept, x.tensor, ops.zeros_like(x.tensor)))


@converter("CumSum", since=11)
def CumSum(ctx: KerasImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> Placed:
    return accumulated(ctx, ops.cumsum, ops.zeros_like, x, axis, exclusive, reverse)


@converter("CumProd", since=26)
def CumProd(ctx: KerasImporter, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0) -> Placed:
    return accumulated(ctx, ops.cumprod, ops.ones_like, x, axis, exclusive, reverse)


def accumulated(
    ctx: KerasImporter, function: Any, neutral: Any, value: Value, axis: Value, exclusive: int, reverse: int
) -> Placed:
    x = ctx.placed(value)
    where = x.axis(int(ctx.known(axis, "axis").reshape(()).item()))
    tensor = ops.flip(x.tensor, axis=where) if reverse else x.tensor
    if exclusive:
        front = (slice(None),) * where
        first, but_last = tensor[(*front, slice(0, 1))], tensor[(*front, slice(None, -1))]
        tensor = ops.concatenate([neutral(first), but_last], axis=where)
    tensor = function(tensor, axis=where)
    return ctx.keep(x, ops.flip(tensor, axis=where) if reverse else tensor)


@converter("DepthToSpace", since=1)
def DepthToSpace_1(ctx: KerasImporter, input: Value, *, blocksize: int) -> Placed:
    return DepthToSpace(ctx, input, blocksize=blocksize)


@converter("DepthToSpace", since=11)
def DepthToSpace(ctx: KerasImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> Placed:
    x = ctx.channels_last(input)
    height, width, channels = sizes(ctx, x)
    depth = channels // blocksize**2
    if mode == "DCR":
        split, order = (height, width, blocksize, blocksize, depth), (0, 1, 3, 2, 4, 5)
    else:
        split, order = (height, width, depth, blocksize, blocksize), (0, 1, 4, 2, 5, 3)
    tensor = ops.transpose(ops.reshape(x.tensor, (-1, *split)), order)
    return Placed(ops.reshape(tensor, (-1, height * blocksize, width * blocksize, depth)), x.order)


@converter("SpaceToDepth", since=1)
def SpaceToDepth_1(ctx: KerasImporter, input: Value, *, blocksize: int) -> Placed:
    return space_to_depth(ctx, input, blocksize)


@converter("SpaceToDepth", since=13)
def SpaceToDepth(ctx: KerasImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> Placed:
    return space_to_depth(ctx, input, blocksize, mode)


def space_to_depth(ctx: KerasImporter, input: Value, blocksize: int, mode: str = "DCR") -> Placed:
    x = ctx.channels_last(input)
    height, width, channels = sizes(ctx, x)
    down, across = height // blocksize, width // blocksize
    tensor = ops.reshape(x.tensor, (-1, down, blocksize, across, blocksize, channels))
    tensor = ops.transpose(tensor, (0, 1, 3, 2, 4, 5) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return Placed(ops.reshape(tensor, (-1, down, across, channels * blocksize**2)), x.order)


def sizes(ctx: KerasImporter, x: Placed) -> tuple[int, int, int]:
    """Height, width and channels of an image whose channels lie last."""
    found = tuple(x.tensor.shape[1:])
    if None in found:
        ctx.refuse("its image has a free size")
    return found


@converter("Hardmax", since=1)
def Hardmax_1(ctx: KerasImporter, input: Value, *, axis: int = 1) -> Placed:
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
def Hardmax(ctx: KerasImporter, input: Value, *, axis: int = -1) -> Placed:
    """One for the first largest element along an axis, zero for the others."""
    x = ctx.placed(input)
    where = x.axis(axis)
    size = x.tensor.shape[where]
    if size is None:
        ctx.refuse("an axis of free size is not supported")
    index = first(x.tensor, ops.max, where, keepdims=False)
    place = -1 if where == x.rank - 1 else where
    return ctx.keep(x, ops.one_hot(index, size, axis=place, dtype=x.tensor.dtype))
