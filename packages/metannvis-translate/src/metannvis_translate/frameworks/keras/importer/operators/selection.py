"""Selection of elements by condition, by score, once each; reversed sequences. Sizes of results may depend on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter


ops = keras.ops


@converter("ReverseSequence", since=10)
def ReverseSequence(
    ctx: KerasImporter, input: Value, sequence_lens: Value, *, batch_axis: int = 1, time_axis: int = 0
) -> LaidOut:
    x = ctx.placed(input)
    lengths = ctx.plain(sequence_lens).tensor
    axes = {"seq_axis": x.axis(time_axis), "batch_axis": x.axis(batch_axis)}
    return ctx.keep(x, ctx.operator_layer(keras_objects.ReverseSequence, x.tensor, lengths, **axes))


@converter("Compress", since=9)
def Compress(ctx: KerasImporter, input: Value, condition: Value, *, axis: int | None = None) -> LaidOut:
    """How many entries are left is seen when the model runs."""
    x = ctx.plain(input)
    where = None if axis is None else x.axis(axis)
    tensor = ctx.operator_layer(keras_objects.Compress, x.tensor, ctx.plain(condition).tensor, axis=where)
    return LaidOut(tensor, layout.identity(len(tensor.shape)))


@converter("NonZero", since=9)
def NonZero(ctx: KerasImporter, X: Value) -> LaidOut:
    """How many there are is seen when the model runs."""
    if X.rank == 0:  # it has as many places as there are, but no axis to say where
        line = ops.reshape(ctx.plain(X).tensor, (1,))
        places = ctx.operator_layer(keras_objects.NonZero, line)
        return LaidOut(ops.take(places, np.zeros(0, np.int32), axis=0), (0, 1))
    return LaidOut(ctx.operator_layer(keras_objects.NonZero, ctx.plain(X).tensor), (0, 1))


@converter("Unique", since=11)
def Unique(
    ctx: KerasImporter, X: Value, *, axis: int | None = None, sorted: int = 1
) -> tuple[LaidOut, LaidOut, LaidOut, LaidOut]:
    """How many different entries there are is seen when the model runs."""
    x = ctx.plain(X)
    where = None if axis is None else x.axis(axis)
    if where is not None and None in x.tensor.shape[:where] + x.tensor.shape[where + 1 :]:
        ctx.refuse("its entries have a free size")
    found, *others = ctx.operator_layer(keras_objects.Unique, x.tensor, axis=where, sort=bool(sorted))
    first, places, counts = (LaidOut(tensor, (0,)) for tensor in others)
    return LaidOut(found, layout.identity(len(found.shape))), first, places, counts


@converter("NonMaxSuppression", since=10)
def NonMaxSuppression(
    ctx: KerasImporter,
    boxes: Value,
    scores: Value,
    max_output_boxes_per_class: Value | None = None,
    iou_threshold: Value | None = None,
    score_threshold: Value | None = None,
    *,
    center_point_box: int = 0,
) -> LaidOut:
    """How many boxes are kept is seen when the model runs."""
    inputs: list[Value] = [
        boxes,
        scores,
        max_output_boxes_per_class or ConstantValue(np.zeros((), np.int64)),
        iou_threshold or ConstantValue(np.zeros((), np.float32)),
    ]
    inputs += [] if score_threshold is None else [score_threshold]
    tensors = [ctx.plain(value).tensor for value in inputs]
    kept = ctx.operator_layer(keras_objects.NonMaxSuppression, *tensors, centre=bool(center_point_box))
    return LaidOut(kept, (0, 1))
