"""Shapes: transposing, reshaping, broadcasting, tiling. Moving axes costs nothing until an operator depends on their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.operators.shape import sizes
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.reshape_groups import groups, orders
from metannvis_translate.frameworks.keras.importer.sizes import is_number, spread
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.graph.symbolic_shapes import dims
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Transpose", since=1)
def Transpose(ctx: KerasImporter, data: Value, *, perm: Sequence[int] = ()) -> Value:
    """Only noted: the tensor stays where it is and its logical axes get new numbers."""
    perm = tuple(perm) or tuple(reversed(range(data.rank)))
    if isinstance(data, ConstantValue):
        return ConstantValue(data.array.transpose(perm), data.name, data.exact, data.trainable)
    return LaidOut(data.tensor, tuple(perm.index(axis) for axis in data.order))


@converter("Flatten", since=1)
def Flatten(ctx: KerasImporter, input: Value, *, axis: int = 1) -> LaidOut:
    x = in_sequence(ctx, input)
    if axis % max(x.rank, 1) == 1 and x.rank > 1:
        return LaidOut(ctx.layer_of(layers.Flatten, x.tensor), (0, 1))
    shape = x.tensor.shape
    front = -1 if any(d is None for d in shape[: axis % (x.rank + 1)]) else int(np.prod(shape[:axis], dtype=int))
    back = shape[axis:] if axis else shape
    if front == -1 and any(d is None for d in back):
        ctx.refuse("its axes have free sizes")
    width = -1 if front != -1 else int(np.prod(back, dtype=int))
    return LaidOut(ops.reshape(x.tensor, (front, width)), (0, 1))


@converter("Reshape", since=5)
def Reshape(ctx: KerasImporter, data: Value, shape: Value, *, allowzero: int = 0) -> Value:
    wanted = ctx.sizes(shape, "shape")
    if isinstance(data, ConstantValue):
        wanted = [int(d) for d in ctx.known(shape, "shape")]
        full = [data.array.shape[i] if d == 0 and not allowzero else d for i, d in enumerate(wanted)]
        return ConstantValue(data.array.reshape(full), data.name, data.exact, data.trainable)
    reshaped = by_groups(ctx, ctx.placed(data), wanted, allowzero)
    if reshaped is not None:
        return reshaped
    target = dims(ctx.node.outputs[0])
    if target is not None and 0 in target and all(is_number(size) for size in target):
        wanted = [int(size) for size in target]
        return LaidOut(ops.reshape(in_sequence(ctx, data).tensor, wanted), layout.identity(len(wanted)))
    wanted = [int(d) for d in ctx.known(shape, "shape")]
    x = in_sequence(ctx, data)
    have = logical_shape(x)
    batch = have[0] if have else None
    if not allowzero:
        wanted = [(-1 if have[i] is None else int(have[i] or 0)) if d == 0 else d for i, d in enumerate(wanted)]
    rest = wanted[1:]
    known = [d for d in rest if d != -1]
    whole = [d for d in have[1:] if d is not None]
    keeps_batch = bool(wanted) and (
        wanted[0] == batch
        or (wanted[0] == -1 and None not in have[1:] and -1 not in rest and np.prod(known) == np.prod(whole))
        or (wanted[0] == -1 and batch is None and ctx.node.inputs[1] is not None and rest.count(-1) == 1)
    )
    order = layout.identity(len(wanted))
    if keeps_batch and wanted[1:]:
        if len(rest) == 1 and x.rank > 1:
            return LaidOut(ctx.layer_of(layers.Flatten, x.tensor), order)
        return LaidOut(ctx.layer_of(layers.Reshape, x.tensor, target_shape=tuple(rest)), order)
    if wanted.count(-1) > 1:
        ctx.refuse("several of its sizes are free")
    return LaidOut(ops.reshape(x.tensor, wanted), order)


def by_groups(ctx: KerasImporter, x: LaidOut, wanted: Sequence[Any], allowzero: int) -> LaidOut | None:
    """Reshape with axes that are not touched left where they are; ``None`` where the sizes are not known well enough."""
    first, output = ctx.node.inputs[0], ctx.node.outputs[0]
    have, target = (dims(value) if value is not None else None for value in (first, output))
    if have is None or target is None or len(have) != x.rank or (allowzero and 0 in wanted):
        return None
    found = groups(have.tolist(), target.tolist())
    if found is None:
        return None
    before, after = orders(found, x.order)
    tensor = ctx.reorder(x, before).tensor
    shape = [int(size) if is_number(size) or size.is_Integer else -1 for size in (target[axis] for axis in after)]
    if tuple(tensor.shape) == tuple(None if size == -1 else size for size in shape):
        return LaidOut(tensor, after)
    keeps_batch = bool(shape) and len(before) > 0 and have[before[0]] == target[after[0]]
    rest = shape[1:]
    if keeps_batch and rest.count(-1) <= 1 and rest:
        if len(rest) == 1 and len(before) > 1:
            return LaidOut(ctx.layer_of(layers.Flatten, tensor), after)
        return LaidOut(ctx.layer_of(layers.Reshape, tensor, target_shape=tuple(rest)), after)
    if shape.count(-1) > 1:
        return None
    return LaidOut(ops.reshape(tensor, shape), after)


def within_batch(ctx: KerasImporter, tensor: Any, shape: Sequence[int]) -> Any:
    """Each sample in another shape; of samples without elements their number is not found by counting."""
    if 0 in shape:
        return ctx.layer_of(layers.Reshape, tensor, target_shape=tuple(shape))
    return ops.reshape(tensor, (-1, *shape))


def in_sequence(ctx: KerasImporter, value: Value) -> LaidOut:
    """The value with its elements in logical sequence, transposed only if that moves any."""
    x = ctx.placed(value)
    perm = layout.transpose(x.order, layout.identity(x.rank))
    if perm is None:
        return x
    if layout.is_reshape(perm, x.tensor.shape):
        shape = [x.tensor.shape[k] for k in perm]
        if shape[0] is None and None not in shape[1:]:
            return LaidOut(ops.reshape(x.tensor, (-1, *shape[1:])), layout.identity(x.rank))
    return ctx.plain(x)


def logical_shape(x: LaidOut) -> tuple[int | None, ...]:
    return tuple(x.tensor.shape[k] for k in layout.inverse(x.order))


@converter("Squeeze", since=1)
def Squeeze_1(ctx: KerasImporter, data: Value, *, axes: Sequence[int] | None = None) -> Value:
    return squeeze(ctx, data, axes)


@converter("Squeeze", since=13)
def Squeeze(ctx: KerasImporter, data: Value, axes: Value | None = None) -> Value:
    return squeeze(ctx, data, None if axes is None else ctx.known(axes, "axes").tolist())


def squeeze(ctx: KerasImporter, data: Value, axes: Sequence[int] | None) -> Value:
    x = ctx.placed(data)
    shape = logical_shape(x)
    gone = [a % x.rank for a in axes] if axes is not None else [a for a, d in enumerate(shape) if d == 1]
    tensor = ops.squeeze(x.tensor, axis=tuple(sorted(x.axis(a) for a in gone))) if gone else x.tensor
    return LaidOut(tensor, layout.kept_axes(x.order, gone))


@converter("Unsqueeze", since=1)
def Unsqueeze_1(ctx: KerasImporter, data: Value, *, axes: Sequence[int]) -> Value:
    return unsqueeze(ctx, data, axes)


@converter("Unsqueeze", since=13)
def Unsqueeze(ctx: KerasImporter, data: Value, axes: Value) -> Value:
    return unsqueeze(ctx, data, ctx.known(axes, "axes").tolist())


def unsqueeze(ctx: KerasImporter, data: Value, axes: Sequence[int]) -> Value:
    rank = data.rank + len(axes)
    new = sorted(a % rank for a in axes)
    if isinstance(data, ConstantValue):
        return ConstantValue(np.expand_dims(data.array, tuple(new)), data.name, data.exact, data.trainable)
    x = ctx.plain(data)
    tensor = x.tensor
    for axis in new:
        tensor = ops.expand_dims(tensor, axis)
    return LaidOut(tensor, layout.identity(rank))


@converter("Expand", since=8)
def Expand(ctx: KerasImporter, input: Value, shape: Value) -> LaidOut:
    """Broadcast to a shape whose free sizes are those of the model's inputs."""
    tensor = spread(ctx, ctx.plain(input), ctx.sizes(shape, "shape"))
    return LaidOut(tensor, layout.identity(len(tensor.shape)))


def _repeated(ctx: KerasImporter, x: LaidOut, axis: int, count: Any) -> Any:
    """A tensor a free number of times along an axis."""
    sizes = list(x.tensor.shape)
    if sizes[axis] == 1:
        return spread(ctx, x, [count if k == axis else 1 for k in range(len(sizes))])
    if None in sizes:
        ctx.refuse("its repeats depend on a free size, and another of its sizes is free")
    apart = LaidOut(ops.expand_dims(x.tensor, axis), layout.identity(len(sizes) + 1))
    copies = spread(ctx, apart, [count if k == axis else 1 for k in range(len(sizes) + 1)])
    return ops.reshape(copies, [-1 if k == axis else size for k, size in enumerate(sizes)])


@converter("Tile", since=6)
def Tile(ctx: KerasImporter, input: Value, repeats: Value) -> LaidOut:
    """A free number of times is possible along an axis whose size is known."""
    x = ctx.placed(input)
    times = ctx.sizes(repeats, "repeats")
    if any(not is_number(count) for count in times):
        x = ctx.plain(input)
        if any(not is_number(n) and x.tensor.shape[k] is None for k, n in enumerate(times)):
            ctx.refuse("its repeats depend on a free size")
        for axis in [axis for axis, count in enumerate(times) if not is_number(count)]:
            x = LaidOut(_repeated(ctx, x, axis, times[axis]), x.order)
        times = [int(count) if is_number(count) else 1 for count in times]
    return ctx.keep(x, ops.tile(x.tensor, x.arrange(times)) if any(count != 1 for count in times) else x.tensor)


@converter("Roll", since=1, domain=DOMAIN)
def Roll(ctx: KerasImporter, X: Value, *, shifts: Sequence[int], dims: Sequence[int] = ()) -> LaidOut:
    """PyTorch's ``roll``, wherever the axes lie; without any it goes over all elements as one line."""
    if not dims:
        x = in_sequence(ctx, X)
        line = ops.roll(ops.reshape(x.tensor, (-1,)), shifts[0])
        shape = [-1 if d is None else d for d in x.tensor.shape]
        if shape.count(-1) > 1:
            ctx.refuse("several of its sizes are free")
        return LaidOut(ops.reshape(line, shape), layout.identity(x.rank))
    x = ctx.placed(X)
    return ctx.keep(x, ops.roll(x.tensor, list(shifts), axis=[x.axis(axis) for axis in dims]))


@converter("DepthToSpace", since=1)
def DepthToSpace_1(ctx: KerasImporter, input: Value, *, blocksize: int) -> LaidOut:
    return DepthToSpace(ctx, input, blocksize=blocksize)


@converter("DepthToSpace", since=11)
def DepthToSpace(ctx: KerasImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> LaidOut:
    x = ctx.channels_last(input)
    height, width, channels = sizes(ctx, x)
    depth = channels // blocksize**2
    if mode == "DCR":
        split, order = (height, width, blocksize, blocksize, depth), (0, 1, 3, 2, 4, 5)
    else:
        split, order = (height, width, depth, blocksize, blocksize), (0, 1, 4, 2, 5, 3)
    tensor = ops.transpose(within_batch(ctx, x.tensor, split), order)
    return LaidOut(within_batch(ctx, tensor, (height * blocksize, width * blocksize, depth)), x.order)


@converter("SpaceToDepth", since=1)
def SpaceToDepth_1(ctx: KerasImporter, input: Value, *, blocksize: int) -> LaidOut:
    return space_to_depth(ctx, input, blocksize)


@converter("SpaceToDepth", since=13)
def SpaceToDepth(ctx: KerasImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> LaidOut:
    return space_to_depth(ctx, input, blocksize, mode)


def space_to_depth(ctx: KerasImporter, input: Value, blocksize: int, mode: str = "DCR") -> LaidOut:
    x = ctx.channels_last(input)
    height, width, channels = sizes(ctx, x)
    down, across = height // blocksize, width // blocksize
    tensor = within_batch(ctx, x.tensor, (down, blocksize, across, blocksize, channels))
    tensor = ops.transpose(tensor, (0, 1, 3, 2, 4, 5) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return LaidOut(within_batch(ctx, tensor, (down, across, channels * blocksize**2)), x.order)
