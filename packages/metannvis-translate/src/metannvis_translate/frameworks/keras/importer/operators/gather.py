"""Gathering, one-hot and top k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sizes import is_number
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("OneHot", since=9)
def OneHot(ctx: KerasImporter, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> LaidOut:
    """An index beyond the depth, counted from the front or the end, gives a row of "off"."""
    if isinstance(depth, LaidOut):
        where = axis % (indices.rank + 1)
        tensors = [ctx.plain(value).tensor for value in (indices, depth, values)]
        return LaidOut(
            ctx.operator_layer(keras_objects.OneHot, *tensors, axis=where), layout.identity(indices.rank + 1)
        )
    count = int(ctx.known(depth, "depth").reshape(()).item())
    i = ctx.plain(indices).tensor
    if "int" not in i.dtype:
        i = ops.cast(i, "int64")
    i = ops.where(ops.less(i, 0), ops.add(i, count), i)
    rank = len(i.shape) + 1
    where = axis % rank
    classes = np.arange(count, dtype=i.dtype).reshape([-1 if k == where else 1 for k in range(rank)])
    hit = ops.equal(ops.expand_dims(i, where), classes)
    if isinstance(values, ConstantValue):
        off, on = values.array[0], values.array[1]
    else:
        pair = ctx.plain(values).tensor
        off, on = pair[0], pair[1]
    return LaidOut(ops.where(hit, on, off), layout.identity(rank))


@converter("Gather", since=1)
def Gather(ctx: KerasImporter, data: Value, indices: Value, *, axis: int = 0) -> LaidOut:
    """Entries along an axis. Negative indices count from the end."""
    is_table = data.rank == 2 and axis == 0 and isinstance(indices, LaidOut)
    if is_table and isinstance(data, ConstantValue) and not ctx.parameters.has(data):
        i = ctx.plain(indices)
        table = data.array
        tensor = ctx.layer_of(
            layers.Embedding,
            i.tensor,
            weights={"embeddings": table},
            input_dim=table.shape[0],
            output_dim=table.shape[1],
        )
        if data.trainable and data.recipe is None:
            ctx.tables[data.name] = tensor._keras_history.operation
        return LaidOut(tensor, layout.identity(i.rank + 1))
    x = ctx.plain(data)
    index: Any
    if isinstance(indices, ConstantValue):
        index = indices.array
        if index.ndim == 0:
            where = axis % x.rank
            tensor = x.tensor[(slice(None),) * where + (int(index),)]
            return LaidOut(tensor, layout.identity(x.rank - 1))
        index = index.tolist() if index.size else index.astype("int32")  # an empty list would be one of floats
    else:
        index = ctx.plain(indices).tensor
    tensor = ops.take(x.tensor, index, axis=axis % x.rank)
    return LaidOut(tensor, layout.identity(len(tensor.shape)))


@converter("Argsort", domain=DOMAIN)
def Argsort(ctx: KerasImporter, X: Value, *, axis: int, descending: int = 0) -> LaidOut:
    """Places in order; of equal entries the first."""
    x = ctx.placed(X)
    ranked = ops.negative(x.tensor) if descending else x.tensor
    return ctx.keep(x, ops.cast(ops.argsort(ranked, axis=x.axis(axis)), "int64"))


@converter("TopK", since=1)
def TopK_1(ctx: KerasImporter, X: Value, *, axis: int = -1, k: int) -> tuple[LaidOut, LaidOut]:
    return top(ctx, X, k, axis, True)


@converter("TopK", since=10)
def TopK(
    ctx: KerasImporter, X: Value, K: Value, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[LaidOut, LaidOut]:
    (k,) = ctx.own_sizes(K, [axis])
    if k is not None and not is_number(k):
        ctx.refuse("its k depends on a free size")
    return top(ctx, X, k, axis, bool(largest))


def top(ctx: KerasImporter, value: Value, k: int | None, axis: int, largest: bool) -> tuple[LaidOut, LaidOut]:
    """The k largest (or smallest) elements along an axis, in order, and where they are; of equal ones the first.

    ``None`` stands for all of an axis of free size.
    """
    x = ctx.placed(value)
    where = x.axis(axis)
    rows = ops.moveaxis(x.tensor, where, -1)
    dtype = keras.backend.standardize_dtype(rows.dtype)
    ranked = rows
    if "float" in dtype:  # what is not a number is beyond all that are
        ranked = ops.where(ops.isnan(rows), np.asarray(np.inf, dtype), rows)
    if largest == (k is None):  # a sort gives the smallest first
        # an integer has no opposite at the end of its range, but always a complement
        ranked = ops.negative(ranked) if "float" in dtype else ops.bitwise_not(rows)
    index = ops.argsort(ranked, axis=-1) if k is None else ops.top_k(ranked, k, sorted=True)[1]
    index = ops.cast(index, "int64")
    picked = ops.take_along_axis(rows, index, axis=-1)
    return ctx.keep(x, ops.moveaxis(picked, -1, where)), ctx.keep(x, ops.moveaxis(index, -1, where))


@converter("GatherElements", since=11)
def GatherElements(ctx: KerasImporter, data: Value, indices: Value, *, axis: int = 0) -> LaidOut:
    """Negative indices count from the end. Along the other axes as many entries are read as ``indices`` has."""
    x, i = ctx.plain(data), ctx.plain(indices)
    where = x.axis(axis)
    have, wanted = x.tensor.shape, i.tensor.shape
    cuts = tuple(slice(None) if k == where or have[k] == n else slice(0, n) for k, n in enumerate(wanted))
    if any(n is None and cut != slice(None) for n, cut in zip(wanted, cuts, strict=True)):
        ctx.refuse("an axis of its indices has a free size that its data has not")
    tensor = x.tensor[cuts] if any(cut != slice(None) for cut in cuts) else x.tensor
    return LaidOut(ops.take_along_axis(tensor, i.tensor, axis=where), i.order)


@converter("GatherND", since=11)
def GatherND(ctx: KerasImporter, data: Value, indices: Value, *, batch_dims: int = 0) -> LaidOut:
    x, i = ctx.plain(data), ctx.plain(indices)
    tensor = ctx.operator_layer(keras_objects.GatherND, x.tensor, i.tensor, batch_dims=batch_dims)
    return LaidOut(tensor, layout.identity(len(tensor.shape)))
