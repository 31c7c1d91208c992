"""Shapes. Moving axes costs nothing until an operator depends on their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import layout
from metannvis_translate.constants import constant_array
from metannvis_translate.hub import DOMAIN
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_keras.registry import converter
from metannvis_translate.onnx_to_keras.regroup import groups, orders
from metannvis_translate.onnx_to_keras.sizes import is_number, spread
from metannvis_translate.symbols import dims
from metannvis_translate.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Constant", since=1)
def Constant(
    ctx: KerasImporter,
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
    value_string: Any = None,
    value_strings: Any = None,
    sparse_value: Any = None,
) -> Const:
    return ctx.constant_node(constant_array(ctx.node))


@converter("Identity", since=1)
def Identity(ctx: KerasImporter, input: Value) -> Value:
    return input


@converter("StopGradient", since=1, domain=DOMAIN)
def StopGradient(ctx: KerasImporter, X: Value) -> Value:
    x = ctx.placed(X)
    return ctx.keep(x, keras.ops.stop_gradient(x.tensor))


@converter("Dropout", since=1)
def Dropout(
    ctx: KerasImporter,
    data: Value,
    ratio: Value | None = None,
    training_mode: Value | None = None,
    *,
    seed: int = 0,
    is_test: int = 1,
) -> tuple[Value, Value]:
    """The input itself, and a mask that lets all of it pass."""
    if training_mode is not None and bool(ctx.known(training_mode, "mode")):
        share = 0.5 if ratio is None else float(ctx.known(ratio, "ratio"))
        if share:
            ctx.refuse("dropout in training mode is random")
    x = ctx.placed(data)
    mask = ctx.node.outputs[1].dtype if len(ctx.node.outputs) > 1 else None
    if mask is None:
        return data, data
    return data, ctx.keep(x, ops.ones_like(x.tensor, dtype=ctx.float_dtype(mask.name)))


@converter("Transpose", since=1)
def Transpose(ctx: KerasImporter, data: Value, *, perm: Sequence[int] = ()) -> Value:
    """Only noted: the tensor stays where it is and its logical axes get new numbers."""
    perm = tuple(perm) or tuple(reversed(range(data.rank)))
    if isinstance(data, Const):
        return Const(data.array.transpose(perm), data.name, data.exact, data.trainable)
    return Placed(data.tensor, tuple(perm.index(axis) for axis in data.order))


@converter("Flatten", since=1)
def Flatten(ctx: KerasImporter, input: Value, *, axis: int = 1) -> Placed:
    x = in_sequence(ctx, input)
    if axis % max(x.rank, 1) == 1 and x.rank > 1:
        return Placed(ctx.layer_of(layers.Flatten, x.tensor), (0, 1))
    shape = x.tensor.shape
    front = -1 if any(d is None for d in shape[: axis % (x.rank + 1)]) else int(np.prod(shape[:axis], dtype=int))
    back = shape[axis:] if axis else shape
    if front == -1 and any(d is None for d in back):
        ctx.refuse("its axes have free sizes")
    width = -1 if front != -1 else int(np.prod(back, dtype=int))
    return Placed(ops.reshape(x.tensor, (front, width)), (0, 1))


@converter("Reshape", since=5)
def Reshape(ctx: KerasImporter, data: Value, shape: Value, *, allowzero: int = 0) -> Value:
    wanted = ctx.sizes(shape, "shape")
    if isinstance(data, Const):
        wanted = [int(d) for d in ctx.known(shape, "shape")]
        full = [data.array.shape[i] if d == 0 and not allowzero else d for i, d in enumerate(wanted)]
        return Const(data.array.reshape(full), data.name, data.exact, data.trainable)
    regrouped = by_groups(ctx, ctx.placed(data), wanted, allowzero)
    if regrouped is not None:
        return regrouped
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
            return Placed(ctx.layer_of(layers.Flatten, x.tensor), order)
        return Placed(ctx.layer_of(layers.Reshape, x.tensor, target_shape=tuple(rest)), order)
    if wanted.count(-1) > 1:
        ctx.refuse("several of its sizes are free")
    return Placed(ops.reshape(x.tensor, wanted), order)


def by_groups(ctx: KerasImporter, x: Placed, wanted: Sequence[Any], allowzero: int) -> Placed | None:
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
        return Placed(tensor, after)
    keeps_batch = bool(shape) and len(before) > 0 and have[before[0]] == target[after[0]]
    rest = shape[1:]
    if keeps_batch and rest.count(-1) <= 1 and rest:
        if len(rest) == 1 and len(before) > 1:
            return Placed(ctx.layer_of(layers.Flatten, tensor), after)
        return Placed(ctx.layer_of(layers.Reshape, tensor, target_shape=tuple(rest)), after)
    if shape.count(-1) > 1:
        return None
    return Placed(ops.reshape(tensor, shape), after)


def in_sequence(ctx: KerasImporter, value: Value) -> Placed:
    """The value with its elements in logical sequence, transposed only if that moves any."""
    x = ctx.placed(value)
    perm = layout.transpose(x.order, layout.identity(x.rank))
    if perm is None:
        return x
    if layout.moves_nothing(perm, x.tensor.shape):
        shape = [x.tensor.shape[k] for k in perm]
        if shape[0] is None and None not in shape[1:]:
            return Placed(ops.reshape(x.tensor, (-1, *shape[1:])), layout.identity(x.rank))
    return ctx.plain(x)


def logical_shape(x: Placed) -> tuple[int | None, ...]:
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
    return Placed(tensor, layout.kept_axes(x.order, gone))


@converter("Unsqueeze", since=1)
def Unsqueeze_1(ctx: KerasImporter, data: Value, *, axes: Sequence[int]) -> Value:
    return unsqueeze(ctx, data, axes)


@converter("Unsqueeze", since=13)
def Unsqueeze(ctx: KerasImporter, data: Value, axes: Value) -> Value:
    return unsqueeze(ctx, data, ctx.known(axes, "axes").tolist())


def unsqueeze(ctx: KerasImporter, data: Value, axes: Sequence[int]) -> Value:
    rank = data.rank + len(axes)
    new = sorted(a % rank for a in axes)
    if isinstance(data, Const):
        return Const(np.expand_dims(data.array, tuple(new)), data.name, data.exact, data.trainable)
    x = ctx.plain(data)
    tensor = x.tensor
    for axis in new:
        tensor = ops.expand_dims(tensor, axis)
    return Placed(tensor, layout.identity(rank))


@converter("Expand", since=8)
def Expand(ctx: KerasImporter, input: Value, shape: Value) -> Placed:
    """Broadcast to a shape whose free sizes are those of the model's inputs."""
    tensor = spread(ctx, ctx.plain(input), ctx.sizes(shape, "shape"))
    return Placed(tensor, layout.identity(len(tensor.shape)))


@converter("Tile", since=6)
def Tile(ctx: KerasImporter, input: Value, repeats: Value) -> Placed:
    """A free number of times is possible over an axis of size one."""
    x = ctx.placed(input)
    times = ctx.sizes(repeats, "repeats")
    if any(not is_number(count) for count in times):
        x = ctx.plain(input)
        for axis, count in enumerate(times):
            if not is_number(count) and x.tensor.shape[axis] != 1:
                ctx.refuse("its repeats depend on a free size")
        wanted = [1 if is_number(count) else count for count in times]
        x = Placed(spread(ctx, x, wanted), x.order)
        times = [int(count) if is_number(count) else 1 for count in times]
    return ctx.keep(x, ops.tile(x.tensor, x.arrange(times)) if any(count != 1 for count in times) else x.tensor)


@converter("Roll", since=1, domain=DOMAIN)
def Roll(ctx: KerasImporter, X: Value, *, shifts: Sequence[int], dims: Sequence[int] = ()) -> Placed:
    """PyTorch's ``roll``, wherever the axes lie; without any it goes over all elements as one line."""
    if not dims:
        x = in_sequence(ctx, X)
        line = ops.roll(ops.reshape(x.tensor, (-1,)), shifts[0])
        shape = [-1 if d is None else d for d in x.tensor.shape]
        if shape.count(-1) > 1:
            ctx.refuse("several of its sizes are free")
        return Placed(ops.reshape(line, shape), layout.identity(x.rank))
    x = ctx.placed(X)
    return ctx.keep(x, ops.roll(x.tensor, list(shifts), axis=[x.axis(axis) for axis in dims]))
