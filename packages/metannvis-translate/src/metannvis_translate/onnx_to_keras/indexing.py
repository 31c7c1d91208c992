"""Joining, cutting, picking and padding, along logical axes wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import layout
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_keras.conv import ZERO_PADDING
from metannvis_translate.onnx_to_keras.registry import converter
from metannvis_translate.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Concat", since=4)
def Concat(ctx: KerasImporter, *inputs: Value, axis: int) -> Placed:
    # a file of Keras does not keep the shape of a constant without elements
    inputs = tuple(v for v in inputs if not (isinstance(v, Const) and v.array.shape[axis] == 0)) or inputs[:1]
    if len(inputs) == 1:
        return ctx.placed(inputs[0])
    order = ctx.common_order(inputs)
    tensors = [ctx.aligned(value, order) for value in inputs]
    position = layout.physical_axis(order, axis)
    if all(isinstance(value, Placed) for value in inputs) and len(inputs) > 1:
        return Placed(
            ctx.layer_of(layers.Concatenate, *tensors, axis=position if position != len(order) - 1 else -1), order
        )
    return Placed(ops.concatenate(tensors, axis=position), order)


@converter("Split", since=2)
def Split_2(
    ctx: KerasImporter, input: Value, *, axis: int = 0, split: Sequence[int] | None = None
) -> tuple[Placed, ...]:
    return parts(ctx, input, axis, split)


@converter("Split", since=13)
def Split(
    ctx: KerasImporter, input: Value, split: Value | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> tuple[Placed, ...]:
    return parts(ctx, input, axis, None if split is None else ctx.known(split, "split").tolist())


def parts(ctx: KerasImporter, value: Value, axis: int, sizes: Sequence[int] | None) -> tuple[Placed, ...]:
    x = ctx.placed(value)
    where = x.axis(axis)
    if sizes is None:
        count, size = len(ctx.node.outputs), x.tensor.shape[where]
        if size is None:
            ctx.refuse("the axis to split has a free size")
            raise AssertionError
        each = -(-size // count)
        sizes = [min(each, size - k * each) for k in range(count)]
    ends = np.cumsum(sizes).tolist()
    return tuple(
        ctx.keep(x, x.tensor[(slice(None),) * where + (slice(end - size, end),)])
        for end, size in zip(ends, sizes, strict=True)
    )


@converter("Slice", since=1)
def Slice_1(
    ctx: KerasImporter, data: Value, *, axes: Sequence[int] | None = None, ends: Sequence[int], starts: Sequence[int]
) -> Placed:
    return cut(ctx, data, starts, ends, axes, None)


@converter("Slice", since=10)
def Slice(
    ctx: KerasImporter,
    data: Value,
    starts: Value,
    ends: Value,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Placed:
    known = [None if v is None else ctx.known(v, n).tolist() for v, n in ((axes, "axes"), (steps, "steps"))]
    return cut(ctx, data, ctx.known(starts, "starts").tolist(), ctx.known(ends, "ends").tolist(), *known)


def cut(
    ctx: KerasImporter,
    data: Value,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> Placed:
    """Slices in Python's sense; an end beyond the axis, forwards or backwards, means all of it."""
    x = ctx.placed(data)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * x.rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = x.tensor.shape[x.axis(axis)]
        big = size if size is not None else 1 << 30
        if step < 0:
            stop = None if end < -big else end
            index[x.axis(axis)] = slice(min(start, big - 1), stop, step)
        else:
            index[x.axis(axis)] = slice(start if start != 0 else None, None if end >= big else end, step)
    tensor = x.tensor
    if any(part.step is not None and part.step < 0 for part in index):
        for k, part in enumerate(index):
            if part.step is not None and part.step < 0:
                size = tensor.shape[k]
                if size is None:
                    ctx.refuse("a negative step over a free size")
                tensor = ops.take(tensor, np.arange(size)[part].tolist(), axis=k)
                index[k] = slice(None)
    if any(part != slice(None) for part in index):
        tensor = tensor[tuple(index)]
    return ctx.keep(x, tensor)


@converter("Gather", since=1)
def Gather(ctx: KerasImporter, data: Value, indices: Value, *, axis: int = 0) -> Placed:
    """Entries along an axis. Negative indices count from the end."""
    if isinstance(data, Const) and isinstance(indices, Placed) and data.rank == 2 and axis == 0:
        i = ctx.plain(indices)
        table = data.array
        tensor = ctx.layer_of(
            layers.Embedding,
            i.tensor,
            weights={"embeddings": table},
            input_dim=table.shape[0],
            output_dim=table.shape[1],
        )
        return Placed(tensor, layout.identity(i.rank + 1))
    x = ctx.plain(data)
    index: Any
    if isinstance(indices, Const):
        index = indices.array
        if index.ndim == 0:
            where = axis % x.rank
            tensor = x.tensor[(slice(None),) * where + (int(index),)]
            return Placed(tensor, layout.identity(x.rank - 1))
        index = index.tolist()
    else:
        index = ctx.plain(indices).tensor
    tensor = ops.take(x.tensor, index, axis=axis % x.rank)
    return Placed(tensor, layout.identity(len(tensor.shape)))


@converter("Pad", since=2)
def Pad_2(
    ctx: KerasImporter, data: Value, *, mode: str = "constant", pads: Sequence[int], value: float = 0.0
) -> Placed:
    return pad(ctx, data, pads, value, None, mode)


@converter("Pad", since=11)
def Pad(
    ctx: KerasImporter,
    data: Value,
    pads: Value,
    constant_value: Value | None = None,
    axes: Value | None = None,
    *,
    mode: str = "constant",
) -> Placed:
    value: Any = constant_value.scalar() if isinstance(constant_value, Const) else 0.0
    if isinstance(constant_value, Placed):
        value = ops.reshape(constant_value.tensor, ())
    known = None if axes is None else ctx.known(axes, "axes").tolist()
    return pad(ctx, data, ctx.known(pads, "pads").tolist(), 0.0 if value is None else value, known, mode)


def pad(
    ctx: KerasImporter, data: Value, pads: Sequence[int], value: Any, axes: Sequence[int] | None, mode: str
) -> Placed:
    """Native ``ZeroPadding`` for zeros around an image, ``ops.pad`` else. A negative amount cuts."""
    x = ctx.placed(data)
    axes = list(range(x.rank)) if axes is None else axes
    amounts = [(0, 0)] * x.rank
    for i, axis in enumerate(axes):
        amounts[x.axis(axis)] = (int(pads[i]), int(pads[i + len(axes)]))
    tensor = x.tensor
    if any(a < 0 or b < 0 for a, b in amounts):
        cuts = tuple(slice(-a if a < 0 else None, b if b < 0 else None) for a, b in amounts)
        tensor = tensor[cuts]
        amounts = [(max(a, 0), max(b, 0)) for a, b in amounts]
    if all(amount == (0, 0) for amount in amounts):
        return ctx.keep(x, tensor)
    n = x.rank - 2
    image = n in ZERO_PADDING and amounts[0] == (0, 0) == amounts[-1]
    if (
        mode == "constant"
        and isinstance(value, (int, float))
        and value == 0
        and image
        and x.order == layout.channels_last(x.rank)
    ):
        inner = amounts[1:-1]
        return ctx.keep(x, ctx.layer_of(ZERO_PADDING[n], tensor, padding=inner[0] if n == 1 else tuple(inner)))
    if mode == "constant":
        return ctx.keep(x, ops.pad(tensor, amounts, constant_values=value))
    modes = {"reflect": "reflect"}
    if mode in modes:
        return ctx.keep(x, ops.pad(tensor, amounts, mode=modes[mode]))
    return ctx.keep(x, by_index(ctx, tensor, amounts, mode))


def by_index(ctx: KerasImporter, tensor: Any, amounts: Sequence[tuple[int, int]], mode: str) -> Any:
    """``edge`` and ``wrap`` padding by picking entries."""
    numpy_mode: Any = {"edge": "edge", "wrap": "wrap"}.get(mode)
    if numpy_mode is None:
        ctx.refuse(f"its mode {mode!r} is not known")
    for axis, amount in enumerate(amounts):
        if amount == (0, 0):
            continue
        size = tensor.shape[axis]
        if size is None:
            ctx.refuse("an axis of free size cannot be padded this way")
        tensor = ops.take(tensor, np.pad(np.arange(size), amount, mode=numpy_mode).tolist(), axis=axis)
    return tensor


@converter("TopK", since=1)
def TopK_1(ctx: KerasImporter, X: Value, *, axis: int = -1, k: int) -> tuple[Placed, Placed]:
    return top(ctx, X, k, axis, True)


@converter("TopK", since=10)
def TopK(
    ctx: KerasImporter, X: Value, K: Value, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[Placed, Placed]:
    return top(ctx, X, int(ctx.known(K, "k").reshape(())), axis, bool(largest))


def top(ctx: KerasImporter, value: Value, k: int, axis: int, largest: bool) -> tuple[Placed, Placed]:
    """The k largest (or smallest) elements along an axis, in order, and where they are; of equal ones the first."""
    x = ctx.placed(value)
    where = x.axis(axis)
    rows = ops.moveaxis(x.tensor, where, -1)
    dtype = keras.backend.standardize_dtype(rows.dtype)
    ranked = rows
    if not largest:
        # an integer has no opposite at the end of its range, but always a complement
        ranked = ops.negative(rows) if "float" in dtype else ops.bitwise_not(rows)
    index = ops.cast(ops.top_k(ranked, k, sorted=True)[1], "int64")
    picked = ops.take_along_axis(rows, index, axis=-1)
    return ctx.keep(x, ops.moveaxis(picked, -1, where)), ctx.keep(x, ops.moveaxis(index, -1, where))
