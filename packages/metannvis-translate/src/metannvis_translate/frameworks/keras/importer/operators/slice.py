"""Slicing, splitting, joining, and cropping about the centre, along logical axes wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.slicing import center_pads, split_sizes, taken
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Concat", since=4)
def Concat(ctx: KerasImporter, *inputs: Value, axis: int) -> LaidOut:
    # a file of Keras does not keep the shape of a constant without elements
    inputs = tuple(v for v in inputs if not (isinstance(v, ConstantValue) and v.array.shape[axis] == 0)) or inputs[:1]
    if len(inputs) == 1:
        return ctx.placed(inputs[0])
    order = ctx.common_order(inputs)
    tensors = [ctx.broadcastable(value, order) for value in inputs]
    position = layout.physical_axis(order, axis)
    if all(isinstance(value, LaidOut) for value in inputs) and len(inputs) > 1:
        return LaidOut(
            ctx.layer_of(layers.Concatenate, *tensors, axis=position if position != len(order) - 1 else -1), order
        )
    return LaidOut(ops.concatenate(tensors, axis=position), order)


@converter("Split", since=2)
def Split_2(
    ctx: KerasImporter, input: Value, *, axis: int = 0, split: Sequence[int] | None = None
) -> tuple[LaidOut, ...]:
    return parts(ctx, input, axis, split)


@converter("Split", since=13)
def Split(
    ctx: KerasImporter, input: Value, split: Value | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> tuple[LaidOut, ...]:
    return parts(ctx, input, axis, None if split is None else ctx.known(split, "split").tolist())


def parts(ctx: KerasImporter, value: Value, axis: int, sizes: Sequence[int] | None) -> tuple[LaidOut, ...]:
    x = ctx.placed(value)
    where = x.axis(axis)
    if sizes is None:
        count, size = len(ctx.node.outputs), x.tensor.shape[where]
        if size is None:
            ctx.refuse("the axis to split has a free size")
        sizes = split_sizes(size, count)
    ends = np.cumsum(sizes).tolist()
    return tuple(
        ctx.keep(x, x.tensor[(slice(None),) * where + (slice(end - size, end),)])
        for end, size in zip(ends, sizes, strict=True)
    )


@converter("Slice", since=1)
def Slice_1(
    ctx: KerasImporter, data: Value, *, axes: Sequence[int] | None = None, ends: Sequence[int], starts: Sequence[int]
) -> LaidOut:
    return cut(ctx, data, starts, ends, axes, None)


@converter("Slice", since=10)
def Slice(
    ctx: KerasImporter,
    data: Value,
    starts: Value,
    ends: Value,
    axes: Value | None = None,
    steps: Value | None = None,
) -> LaidOut:
    known = [None if v is None else ctx.known(v, n).tolist() for v, n in ((axes, "axes"), (steps, "steps"))]
    return cut(ctx, data, ctx.known(starts, "starts").tolist(), ctx.known(ends, "ends").tolist(), *known)


def cut(
    ctx: KerasImporter,
    data: Value,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> LaidOut:
    """Slices in Python's sense; an end beyond the axis, forwards or backwards, means all of it."""
    x = ctx.placed(data)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index, backwards = [slice(None)] * x.rank, {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where = x.axis(axis)
        size = x.tensor.shape[where]
        if step > 0:
            big = size if size is not None else 1 << 30
            index[where] = slice(start if start != 0 else None, None if end >= big else end, step)
        elif size is None:
            ctx.refuse("a negative step over a free size")
        else:
            places = list(taken(start, end, step, size))
            if places:
                backwards[where] = places
            else:  # a list of no places has no type
                index[where] = slice(0, 0)
    tensor = x.tensor
    for where, places in sorted(backwards.items()):
        tensor = ops.take(tensor, places, axis=where)
    if any(part != slice(None) for part in index):
        tensor = tensor[tuple(index)]
    return ctx.keep(x, tensor)


@converter("CenterCropPad", since=18)
def CenterCropPad(ctx: KerasImporter, input_data: Value, shape: Value, *, axes: Sequence[int] | None = None) -> LaidOut:
    """The middle of each axis, or zeros around it; what is odd is cut, or added, at the end."""
    x = ctx.placed(input_data)
    tensor = x.tensor
    for axis, size in zip(range(x.rank) if axes is None else axes, ctx.known(shape, "shape").tolist(), strict=True):
        where = x.axis(axis)
        have = tensor.shape[where]
        if have is None:
            ctx.refuse("an axis of free size is cut or padded")
        begin, end = center_pads(have, size)
        if size < have:
            tensor = tensor[(slice(None),) * where + (slice(-begin, size - begin),)]
        elif size > have:
            amounts = [(0, 0)] * x.rank
            amounts[where] = (begin, end)
            tensor = ops.pad(tensor, amounts)
    return ctx.keep(x, tensor)
