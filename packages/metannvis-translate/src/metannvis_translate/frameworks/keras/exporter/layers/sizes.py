"""Sizes that are known only when the model runs, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_op
from metannvis_translate.frameworks.keras.exporter.layers.reshape import END

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


@keras_op("SizeOf")
def SizeOf(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    size = e.shape(x)[op.axis]
    if size is not None:  # what was emitted knows more than what Keras declares
        return e.constant(np.asarray(size, np.int32))
    return e.cast(e.squeeze(e.emit("Shape", x, start=op.axis, end=op.axis + 1, dtype="int64", shape=[1]), [0]), "int32")


@keras_op("Sized")
def Sized(e: KerasEmitter, op: Any, x: Any, sizes: Sequence[Any]) -> ir.Value:
    convert: Any = SIZED[op.function]
    return convert(e, op, None if x is None else e.tensor(x), list(sizes))


def vector(e: KerasEmitter, sizes: Sequence[Any]) -> ir.Value:
    """Sizes, numbers and scalars, as one value."""
    if all(isinstance(size, (int, np.integer)) for size in sizes):
        return e.ints(*map(int, sizes))
    parts = [
        e.ints(int(size)) if isinstance(size, (int, np.integer)) else e.unsqueeze(e.cast(e.tensor(size), "int64"), [0])
        for size in sizes
    ]
    return parts[0] if len(parts) == 1 else e.emit("Concat", *parts, axis=0, shape=[len(parts)], dtype="int64")


def _reshape(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    return e.emit("Reshape", x, vector(e, sizes), shape=e.output_shape())


def _broadcast_to(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    return e.emit("Expand", x, vector(e, sizes), shape=e.output_shape())


def _tile(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    rank = max(e.rank(x), len(sizes))
    x = e.unsqueeze(x, range(rank - e.rank(x)))
    return e.emit("Tile", x, vector(e, [1] * (rank - len(sizes)) + sizes), shape=e.output_shape())


def _arange(e: KerasEmitter, op: Any, x: None, sizes: list[Any]) -> ir.Value:
    ends = [e.cast(e.tensor(size, None if hasattr(size, "dtype") else "int32"), "int64") for size in sizes]
    return e.cast(e.emit("Range", *ends, shape=e.output_shape(), dtype="int64"), e.dtype)


def _full(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    return e.emit("Expand", e.cast(x, e.dtype), vector(e, sizes), shape=e.output_shape())


def _slice(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    half = len(sizes) // 2
    starts = vector(e, sizes[:half])
    if all(isinstance(start, int) and start == 0 for start in sizes[:half]):
        ends = vector(e, [END if isinstance(size, int) and size == -1 else size for size in sizes[half:]])
    else:
        ends = e.emit("Add", starts, vector(e, sizes[half:]), shape=[half])
        if any(isinstance(size, int) and size == -1 for size in sizes[half:]):
            e.refuse("a slice to the end that starts at a place known only when the model runs")
    return e.emit("Slice", x, starts, ends, shape=e.output_shape())


def _getitem(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    key = list(op.options["key"])
    taken = sum(k not in ("new", "rest") for k in key)
    whole: list[Any] = [(None, None, None)] * (e.rank(x) - taken)
    at = key.index("rest") if "rest" in key else len(key)
    key[at : at + 1] = whole
    shape, dropped, added = list(e.shape(x)), [], []
    axes, starts, ends, steps = [], [], [], []
    axis = place = 0
    for k in key:
        if k == "new":
            added.append(place)
            place += 1
            continue
        if isinstance(k, tuple):
            start, stop, step = (None if p is None else sizes[p] for p in k)
            place += 1
            if step is not None and not (isinstance(step, int) and step > 0):
                e.refuse("a slice whose step is negative or known only when the model runs")
            if (start, stop, step) != (None, None, None):
                axes.append(axis)
                starts.append(0 if start is None else start)
                ends.append(END if stop is None else stop)
                steps.append(1 if step is None else step)
                size = None if any(hasattr(n, "dtype") for n in (start, stop)) else shape[axis]
                shape[axis] = None if size is None else len(range(*slice(start, stop, step).indices(size)))
        else:
            index = sizes[k]
            axes.append(axis)
            starts.append(index)
            steps.append(1)
            if hasattr(index, "dtype"):
                ends.append(e.emit("Add", index, e.scalar(1, index), shape=()))
            else:
                ends.append(index + 1 or END)
            shape[axis] = 1
            dropped.append(axis)
        axis += 1
    if axes:
        x = e.emit("Slice", x, vector(e, starts), vector(e, ends), e.ints(*axes), e.ints(*steps), shape=shape)
    return e.unsqueeze(e.squeeze(x, dropped), added)


def _pad(e: KerasEmitter, op: Any, x: ir.Value, sizes: list[Any]) -> ir.Value:
    fill = op.options["fill"]
    pads = vector(e, [*sizes[::2], *sizes[1::2]])
    return e.emit(
        "Pad",
        x,
        pads,
        None if fill is None else e.tensor(fill, x.dtype),
        mode=op.options["mode"],
        shape=e.output_shape(),
    )


SIZED = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "tile": _tile,
    "arange": _arange,
    "full": _full,
    "slice": _slice,
    "getitem": _getitem,
    "pad": _pad,
}
