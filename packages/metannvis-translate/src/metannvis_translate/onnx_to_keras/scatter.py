"""Picking and placing elements by indices that are computed when the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from metannvis_translate import keras_objects, layout
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_keras.registry import converter
from metannvis_translate.values import Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

ops = keras.ops


@converter("GatherElements", since=11)
def GatherElements(ctx: KerasImporter, data: Value, indices: Value, *, axis: int = 0) -> Placed:
    """Negative indices count from the end. Along the other axes as many entries are read as ``indices`` has."""
    x, i = ctx.plain(data), ctx.plain(indices)
    where = x.axis(axis)
    have, wanted = x.tensor.shape, i.tensor.shape
    cuts = tuple(slice(None) if k == where or have[k] == n else slice(0, n) for k, n in enumerate(wanted))
    if any(n is None and cut != slice(None) for n, cut in zip(wanted, cuts, strict=True)):
        ctx.refuse("an axis of its indices has a free size that its data has not")
    tensor = x.tensor[cuts] if any(cut != slice(None) for cut in cuts) else x.tensor
    return Placed(ops.take_along_axis(tensor, i.tensor, axis=where), i.order)


@converter("GatherND", since=11)
def GatherND(ctx: KerasImporter, data: Value, indices: Value, *, batch_dims: int = 0) -> Placed:
    x, i = ctx.plain(data), ctx.plain(indices)
    tensor = ctx.operator_layer(keras_objects.GatherND, x.tensor, i.tensor, batch_dims=batch_dims)
    return Placed(tensor, layout.identity(len(tensor.shape)))


@converter("ScatterND", since=11)
def ScatterND(ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, reduction: str = "none") -> Placed:
    tensors = [ctx.plain(value).tensor for value in (data, indices, updates)]
    tensor = ctx.operator_layer(keras_objects.ScatterND, *tensors, reduction=reduction)
    return Placed(tensor, layout.identity(data.rank))


@converter("Scatter", since=9)
def Scatter(ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0) -> Placed:
    return scattered(ctx, data, indices, updates, axis, "none")


@converter("ScatterElements", since=11)
def ScatterElements(
    ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0, reduction: str = "none"
) -> Placed:
    return scattered(ctx, data, indices, updates, axis, reduction)


def scattered(ctx: KerasImporter, data: Value, indices: Value, updates: Value, axis: int, reduction: str) -> Placed:
    tensors = [ctx.plain(value).tensor for value in (data, indices, updates)]
    where = layout.physical_axis(layout.identity(data.rank), axis)
    tensor = ctx.operator_layer(keras_objects.ScatterElements, *tensors, axis=where, reduction=reduction)
    return Placed(tensor, layout.identity(data.rank))


@converter("ReverseSequence", since=10)
def ReverseSequence(
    ctx: KerasImporter, input: Value, sequence_lens: Value, *, batch_axis: int = 1, time_axis: int = 0
) -> Placed:
    x = ctx.placed(input)
    lengths = ctx.plain(sequence_lens).tensor
    axes = {"seq_axis": x.axis(time_axis), "batch_axis": x.axis(batch_axis)}
    return ctx.keep(x, ctx.operator_layer(keras_objects.ReverseSequence, x.tensor, lengths, **axes))


@converter("Compress", since=9)
def Compress(ctx: KerasImporter, input: Value, condition: Value, *, axis: int | None = None) -> Placed:
    """How many entries are left is seen when the model runs."""
    x = ctx.plain(input)
    where = None if axis is None else x.axis(axis)
    tensor = ctx.operator_layer(keras_objects.Compress, x.tensor, ctx.plain(condition).tensor, axis=where)
    return Placed(tensor, layout.identity(len(tensor.shape)))


@converter("NonZero", since=9)
def NonZero(ctx: KerasImporter, X: Value) -> Placed:
    """How many there are is seen when the model runs."""
    return Placed(ctx.operator_layer(keras_objects.NonZero, ctx.plain(X).tensor), (0, 1))


@converter("Unique", since=11)
def Unique(
    ctx: KerasImporter, X: Value, *, axis: int | None = None, sorted: int = 1
) -> tuple[Placed, Placed, Placed, Placed]:
    """How many different entries there are is seen when the model runs."""
    x = ctx.plain(X)
    where = None if axis is None else x.axis(axis)
    if where is not None and None in x.tensor.shape[:where] + x.tensor.shape[where + 1 :]:
        ctx.refuse("its entries have a free size")
    found, *others = ctx.operator_layer(keras_objects.Unique, x.tensor, axis=where, sort=bool(sorted))
    first, places, counts = (Placed(tensor, (0,)) for tensor in others)
    return Placed(found, layout.identity(len(found.shape))), first, places, counts


@converter("TensorScatter", since=24)
def TensorScatter(
    ctx: KerasImporter,
    past_cache: Value,
    update: Value,
    write_indices: Value | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Placed:
    x = ctx.plain(past_cache)
    new = ctx.plain(update).tensor
    start = ops.zeros_like(x.tensor[(slice(None),) + (0,) * (x.rank - 1)], dtype="int64")
    if write_indices is not None:
        start = ctx.plain(write_indices).tensor
    options = {"axis": x.axis(axis), "circular": mode == "circular"}
    return ctx.keep(x, ctx.operator_layer(keras_objects.TensorScatter, x.tensor, new, start, **options))
