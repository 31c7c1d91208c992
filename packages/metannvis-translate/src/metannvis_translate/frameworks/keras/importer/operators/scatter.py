"""Scattering: elements placed by indices that are computed when the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("ScatterND", since=11)
def ScatterND(ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, reduction: str = "none") -> LaidOut:
    tensors = [ctx.plain(value).tensor for value in (data, indices, updates)]
    tensor = ctx.operator_layer(keras_objects.ScatterND, *tensors, reduction=reduction)
    return LaidOut(tensor, layout.identity(data.rank))


@converter("Scatter", since=9)
def Scatter(ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0) -> LaidOut:
    return scattered(ctx, data, indices, updates, axis, "none")


@converter("ScatterElements", since=11)
def ScatterElements(
    ctx: KerasImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0, reduction: str = "none"
) -> LaidOut:
    return scattered(ctx, data, indices, updates, axis, reduction)


def scattered(ctx: KerasImporter, data: Value, indices: Value, updates: Value, axis: int, reduction: str) -> LaidOut:
    tensors = [ctx.plain(value).tensor for value in (data, indices, updates)]
    where = layout.physical_axis(layout.identity(data.rank), axis)
    tensor = ctx.operator_layer(keras_objects.ScatterElements, *tensors, axis=where, reduction=reduction)
    return LaidOut(tensor, layout.identity(data.rank))


@converter("TensorScatter", since=24)
def TensorScatter(
    ctx: KerasImporter,
    past_cache: Value,
    update: Value,
    write_indices: Value | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> LaidOut:
    x = ctx.plain(past_cache)
    new = ctx.plain(update).tensor
    start = ops.zeros_like(x.tensor[(slice(None),) + (0,) * (x.rank - 1)], dtype="int64")
    if write_indices is not None:
        start = ctx.plain(write_indices).tensor
    options = {"axis": x.axis(axis), "circular": mode == "circular"}
    return ctx.keep(x, ctx.operator_layer(keras_objects.TensorScatter, x.tensor, new, start, **options))
