"""Slicing, splitting, joining, and cropping about the centre."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx

from metannvis_translate.frameworks.torch.importer.operators.pad import pad_pairs
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.slicing import center_pads, split_sizes, taken
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import flat

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("Concat", since=4)
def Concat(ctx: TorchImporter, *inputs: Value, axis: int) -> LaidOut:
    """``torch.cat``."""
    order = ctx.common_order(inputs)
    tensors = [ctx.operand(value, order, scalars=False) for value in inputs]
    return LaidOut(ctx.function(torch.cat, tensors, layout.physical_axis(order, axis)), order)


@converter("Split", since=1)
def Split_1(
    ctx: TorchImporter, input: Value, *, axis: int = 0, split: Sequence[int] | None = None
) -> tuple[LaidOut, ...]:
    """``torch.split``."""
    x = ctx.placed(input)
    count = len(ctx.node.outputs)
    if split is None:
        size = (ctx.shape(0) or (None,) * x.rank)[axis]
        if size is None:
            ctx.refuse("the size of the axis it splits is not known")
        split = split_sizes(size, count)
    parts = ctx.function(torch.split, x.tensor, list(split), x.axis(axis))
    return tuple(LaidOut(ctx.function(operator.getitem, parts, k), x.order) for k in range(count))


@converter("Split", since=13)
def Split(
    ctx: TorchImporter,
    input: Value,
    split: Value | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
) -> tuple[LaidOut, ...]:
    """``torch.split``."""
    return Split_1(ctx, input, axis=axis, split=None if split is None else ctx.known(split, "split").tolist())


def cut(
    ctx: TorchImporter,
    data: Value,
    starts: Sequence[Any],
    ends: Sequence[Any],
    axes: Sequence[int],
    steps: Sequence[int],
) -> LaidOut:
    """Slices along logical axes, between numbers or sizes; a negative step turns the axis around."""
    x = ctx.placed(data)
    shape = ctx.shape(0) or (None,) * x.rank
    slices = [slice(None)] * x.rank
    turned = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= x.rank
        size, dim = shape[axis], x.axis(axis)
        if isinstance(start, fx.Node) or isinstance(end, fx.Node):
            if step <= 0:
                ctx.refuse("it steps backwards from a free size")
            is_whole = not isinstance(end, fx.Node) and end >= 2**31 - 1
            slices[dim] = slice(start, None if is_whole else end, step if step > 1 else None)
            continue
        if step > 0:
            last = None if end >= (2**31 - 1 if size is None else size) else end
            slices[dim] = slice(start or None, last, step if step > 1 else None)
            continue
        turned.append(dim)
        if size is not None:
            places = taken(start, end, step, size)
            slices[dim] = slice(places[-1], places[0] + 1, -step) if len(places) else slice(0, 0)
        elif not (step == -1 and start in (-1, 2**31 - 1, 2**63 - 1) and end <= -(2**31) + 1):
            ctx.refuse("it steps backwards along an axis of free size")
    tensor = x.tensor
    if any(s != slice(None) for s in slices):
        while slices[-1] == slice(None):
            slices.pop()
        tensor = ctx.function(operator.getitem, tensor, tuple(slices))
    if turned:
        tensor = ctx.function(torch.flip, tensor, tuple(turned))
    return LaidOut(tensor, x.order)


@converter("Slice", since=1)
def Slice_1(
    ctx: TorchImporter, data: Value, *, axes: Sequence[int] | None = None, ends: Sequence[int], starts: Sequence[int]
) -> LaidOut:
    """Indexing."""
    return cut(ctx, data, starts, ends, range(len(starts)) if axes is None else axes, [1] * len(starts))


@converter("Slice", since=10)
def Slice(
    ctx: TorchImporter, data: Value, starts: Value, ends: Value, axes: Value | None = None, steps: Value | None = None
) -> LaidOut:
    """Indexing."""
    first, last = ctx.sizes(starts, "starts"), ctx.sizes(ends, "ends")
    along = list(range(len(first))) if axes is None else ctx.known(axes, "axes").tolist()
    return cut(ctx, data, first, last, along, [1] * len(first) if steps is None else ctx.known(steps, "steps").tolist())


@converter("CenterCropPad", since=18)
def CenterCropPad(ctx: TorchImporter, input_data: Value, shape: Value, *, axes: Sequence[int] | None = None) -> LaidOut:
    """``F.pad``; the middle of each axis, or zeros around it; what is odd is cut, or added, at the end."""
    x = ctx.placed(input_data)
    have = ctx.shape(0) or (None,) * x.rank
    pads = [(0, 0)] * x.rank
    wanted = ctx.known(shape, "shape").tolist()
    for axis, size in zip(range(x.rank) if axes is None else axes, wanted, strict=True):
        old, where = have[axis], x.axis(axis)
        if old is None:
            ctx.refuse("an axis of free size is cut or padded")
        pads[where] = center_pads(old, size)
    return LaidOut(ctx.function(F.pad, x.tensor, pad_pairs(flat(pads))), x.order)
