"""Layers and ``keras.ops`` that move, cut, repeat and pad elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.conv import as_tuple
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op
from metannvis_translate.graph import layout

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

END = np.iinfo(np.int64).max


def reshaped(e: KerasEmitter, x: ir.Value, shape: Sequence[int | None]) -> ir.Value:
    """Reshape to Keras' shape, in which ``None`` is a size known only when the model runs."""
    before = e.shape(x)
    sizes: list[int] = []
    for axis, size in enumerate(shape):
        is_same = size is None and axis < len(before) and before[axis] is None
        sizes.append(0 if is_same and (axis == 0 or -1 in shape) else -1 if size is None else int(size))
    if sizes.count(-1) > 1:
        e.refuse(f"more than one size of {tuple(shape)} is unknown")
    return e.reshape(x, sizes, result=e.output_shape())


@keras_layer("Flatten")
def Flatten(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    if layer.data_format == "channels_first" and e.rank(x) > 1:
        x = e.transpose(x, layout.channels_last(e.rank(x)))
    return e.emit("Flatten", x, axis=1, shape=e.output_shape())


@keras_layer("Reshape")
def Reshape(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    sizes = list(e.output_shape()[1:])
    unknown = [k for k, size in enumerate(sizes) if size is None]
    if len(unknown) > 1:
        e.refuse(f"more than one size of {tuple(sizes)} is unknown")
    return e.reshape(x, [0, *sizes], result=e.output_shape())


@keras_layer("Permute")
def Permute(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.transpose(x, (0, *layer.dims))


@keras_layer("RepeatVector")
def RepeatVector(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Tile", e.unsqueeze(x, [1]), np.asarray([1, layer.n, 1], np.int64), shape=e.output_shape())


# --- padding and cutting ----------------------------------------------------------------------------------------------


def pad(
    e: KerasEmitter, x: ir.Value, widths: Sequence[Sequence[int]], mode: str = "constant", fill: Any = None
) -> ir.Value:
    """Pad each axis by (before, after)."""
    pads = np.asarray([w[0] for w in widths] + [w[1] for w in widths], np.int64)
    return e.emit("Pad", x, pads, None if fill is None else e.tensor(fill, x.dtype), mode=mode, shape=e.output_shape())


def _spatial(e: KerasEmitter, layer: Any, x: ir.Value, each: Any, default: Any) -> list[Any]:
    """One entry an axis of the input, from one a spatial axis."""
    rank = e.rank(x) - 2
    each = [each] if rank == 1 else list(each)
    if getattr(layer, "data_format", None) == "channels_first":
        return [default, default, *each]
    return [default, *each, default]


@keras_layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def ZeroPadding(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return pad(e, x, _spatial(e, layer, x, layer.padding, (0, 0)))


@keras_layer("Cropping1D", "Cropping2D", "Cropping3D")
def Cropping(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    crops = _spatial(e, layer, x, layer.cropping, (0, 0))
    return cut(e, x, {k: slice(c[0] or None, -c[1] or None) for k, c in enumerate(crops) if any(c)})


def cut(e: KerasEmitter, x: ir.Value, slices: dict[int, slice]) -> ir.Value:
    """Slice some axes."""
    slices = {k: s for k, s in slices.items() if s != slice(None)}
    if not slices:
        return x
    shape = list(e.shape(x))
    starts, ends, steps = [], [], []
    for axis, s in slices.items():
        step = int(s.step or 1)
        starts.append(int(s.start) if s.start is not None else 0 if step > 0 else END)
        ends.append(int(s.stop) if s.stop is not None else END if step > 0 else -END)
        steps.append(step)
        size = shape[axis]
        shape[axis] = None if size is None else len(range(*s.indices(size)))
    arrays = (np.asarray(v, np.int64) for v in (starts, ends, list(slices), steps))
    return e.emit("Slice", x, *arrays, shape=shape)


@keras_op("GetItem")
def GetItem(e: KerasEmitter, op: Any, x: ir.Value, key: Any) -> ir.Value:
    keys = list(key) if isinstance(key, (tuple, list)) else [key]  # a list to TensorFlow is a tuple
    if any(not isinstance(k, (slice, int, np.integer, type(None), type(Ellipsis))) for k in keys):
        e.refuse("an index that is neither a number nor a slice")
    taken = sum(k is not None and k is not Ellipsis for k in keys)
    fill = [slice(None)] * (e.rank(x) - taken)
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = fill
    else:
        keys += fill
    slices: dict[int, slice] = {}
    dropped, added, axis, place = [], [], 0, 0
    for k in keys:
        if k is None:
            added.append(place)
            place += 1
            continue
        if isinstance(k, slice):
            slices[axis] = k
            place += 1
        else:
            slices[axis] = slice(int(k), int(k) + 1 or None)
            dropped.append(axis)
        axis += 1
    return e.unsqueeze(e.squeeze(cut(e, x, slices), dropped), added)


@keras_op("BroadcastTo")
def BroadcastTo(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    """A free size is one that the tensor has there already."""
    sizes, before = list(op.shape), e.shape(x)
    beyond = len(sizes) - len(before)
    for axis, size in enumerate(sizes):
        if size is None and (axis < beyond or before[axis - beyond] is not None):
            e.refuse(f"the size of axis {axis} is not known")
    return e.emit("Expand", x, np.asarray([1 if s is None else s for s in sizes], np.int64), shape=e.output_shape())


@keras_op("Fold")
def Fold(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    sizes, kernel, dilations, padding, strides = (
        list(as_tuple(given, 2)) for given in (op.output_size, op.kernel_size, op.dilation, op.padding, op.stride)
    )
    return e.emit(
        "Col2Im", x, e.ints(*sizes), e.ints(*kernel), dilations=dilations, pads=padding * 2, strides=strides,
        shape=e.output_shape(),
    )  # fmt: skip


@keras_op("Pad")
def Pad(e: KerasEmitter, op: Any, x: ir.Value, constant_values: Any = None) -> ir.Value:
    widths = list(op.pad_width)
    if len(widths) == 1:
        widths *= e.rank(x)
    if op.mode not in ("constant", "reflect"):
        e.refuse(f"padding mode {op.mode!r}")
    return pad(e, x, widths, op.mode, constant_values)


# --- moving -----------------------------------------------------------------------------------------------------------


@keras_op("Reshape")
def ReshapeOp(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return reshaped(e, x, [op.newshape] if isinstance(op.newshape, int) else list(op.newshape))


@keras_op("Ravel")
def Ravel(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    return e.reshape(x, [-1], result=e.output_shape())


@keras_op("Transpose")
def Transpose(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    rank = e.rank(x)
    axes = range(rank)[::-1] if op.axes is None else [int(a) % rank for a in op.axes]
    return e.transpose(x, list(axes))


@keras_op("Swapaxes")
def Swapaxes(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    order = list(range(e.rank(x)))
    order[op.axis1], order[op.axis2] = order[op.axis2], order[op.axis1]
    return e.transpose(x, order)


@keras_op("Moveaxis")
def Moveaxis(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    rank = e.rank(x)
    source, target = ([int(a) % rank for a in axes] for axes in (op.source, op.destination))
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return e.transpose(x, order)


@keras_op("Squeeze")
def Squeeze(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.axis is None:
        return e.squeeze(x, [k for k, size in enumerate(e.shape(x)) if size == 1])
    return e.squeeze(x, [op.axis] if isinstance(op.axis, int) else list(op.axis))


@keras_op("ExpandDims")
def ExpandDims(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    axes = [op.axis] if isinstance(op.axis, int) else list(op.axis)
    rank = e.rank(x) + len(axes)
    return e.unsqueeze(x, [int(a) % rank for a in axes])


@keras_op("Stack")
def Stack(e: KerasEmitter, op: Any, x: Sequence[Any]) -> ir.Value:
    parts = [e.tensor(one, e.dtype) for one in x]
    axis = int(op.axis) % (e.rank(parts[0]) + 1)
    return e.emit("Concat", *(e.unsqueeze(part, [axis]) for part in parts), axis=axis, shape=e.output_shape())


@keras_op("Split")
def Split(e: KerasEmitter, op: Any, x: ir.Value) -> list[ir.Value]:
    axis = int(op.axis) % e.rank(x)
    shapes = [tuple(spec.shape) for spec in e.specs]
    if isinstance(op.indices_or_sections, int):
        return list(e.emit_many("Split", x, axis=axis, num_outputs=len(shapes), outputs=len(shapes), shapes=shapes))
    sizes = [shape[axis] for shape in shapes]
    if any(size is None for size in sizes):
        e.refuse("the size of a part is not known")
    return list(e.emit_many("Split", x, np.asarray(sizes, np.int64), axis=axis, outputs=len(shapes), shapes=shapes))


@keras_op("Unstack")
def Unstack(e: KerasEmitter, op: Any, x: ir.Value) -> list[ir.Value]:
    axis = int(op.axis) % e.rank(x)
    return [e.squeeze(cut(e, x, {axis: slice(k, k + 1)}), [axis]) for k in range(len(e.specs))]


@keras_op("Repeat")
def Repeat(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.axis is None:
        e.refuse("no axis")
    axis = int(op.axis) % e.rank(x)
    if not isinstance(op.repeats, int):
        size, counts = e.shape(x)[axis], np.ravel(op.repeats)
        if size is None:
            e.refuse("the size of its axis is not known")
        places = np.repeat(np.arange(size), counts)
        return e.emit("Gather", x, places.astype(np.int64), axis=axis, shape=e.output_shape())
    repeats = [1] * (e.rank(x) + 1)
    repeats[axis + 1] = op.repeats
    y = e.emit("Tile", e.unsqueeze(x, [axis + 1]), np.asarray(repeats, np.int64))
    return reshaped(e, _ranked(e, y, e.rank(x) + 1), e.output_shape())


def _ranked(e: KerasEmitter, x: ir.Value, rank: int) -> ir.Value:
    if x.shape is None:
        e.set_shape(x, [None] * rank)
    return x


@keras_op("Tile")
def Tile(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    repeats = [op.repeats] if isinstance(op.repeats, int) else [int(r) for r in op.repeats]
    rank = max(e.rank(x), len(repeats))
    x = e.unsqueeze(x, range(rank - e.rank(x)))
    repeats = [1] * (rank - len(repeats)) + repeats
    return e.emit("Tile", x, np.asarray(repeats, np.int64), shape=e.output_shape())


@keras_op("Flip")
def Flip(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    rank = e.rank(x)
    axes = range(rank) if op.axis is None else [op.axis] if isinstance(op.axis, int) else op.axis
    return cut(e, x, {int(a) % rank: slice(None, None, -1) for a in axes})


@keras_op("Take")
def Take(e: KerasEmitter, op: Any, x: Any, indices: Any) -> ir.Value:
    if op.axis is None:
        e.refuse("no axis")
    return e.emit("Gather", e.tensor(x), e.tensor(indices), axis=int(op.axis), shape=e.output_shape())


@keras_op("Slice")
def Slice(e: KerasEmitter, op: Any, x: ir.Value, start_indices: Any) -> ir.Value:
    if any(not isinstance(start, (int, np.integer)) for start in start_indices):
        e.refuse("where it starts depends on values")
    slices: dict[int, slice] = {}
    for axis, (start, size) in enumerate(zip(start_indices, op.shape, strict=True)):
        if size is None:
            e.refuse(f"the size of axis {axis} is not known")
        slices[axis] = slice(int(start), None if size == -1 else int(start) + int(size))
    return cut(e, x, slices)


@keras_op("Tril", "Triu")
def Triangle(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    upper = int(type(op).__name__ == "Triu")
    return e.emit("Trilu", x, e.constant(np.asarray(int(op.k), np.int64)), upper=upper, shape=e.shape(x))
