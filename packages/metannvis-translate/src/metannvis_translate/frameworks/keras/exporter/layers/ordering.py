"""``keras.ops`` that sort, accumulate, and pick entries at places that data names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_op
from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


def _axis(e: KerasEmitter, axis: Any, x: ir.Value) -> int:
    """One axis, counted from the front; the samples of a batch are not flattened into one another."""
    if axis is None:
        e.refuse("no axis: it goes through all samples of the batch together")
    return int(axis) % e.rank(x)


def first_entries(
    e: KerasEmitter, x: ir.Value, count: int | None, axis: int, *, largest: bool
) -> tuple[ir.Value, ir.Value]:
    """The largest or smallest entries and where they stand; of equal ones the first, in both frameworks."""
    size = e.shape(x)[axis] if count is None else count
    if size is None:  # all of them, however many there are
        places = e.emit("Argsort", x, axis=axis, descending=int(largest), dtype="int64", shape=e.shape(x))
        return e.emit("GatherElements", x, places, axis=axis, shape=e.shape(x)), places
    shape = [size if k == axis else s for k, s in enumerate(e.shape(x))]
    if x.dtype is not None and x.dtype.name == "BOOL":  # which TopK does not take
        x = e.cast(x, "int32")
    values, places = e.emit_many(
        "TopK", x, e.ints(size), axis=axis, largest=int(largest), outputs=2, shapes=[shape, shape]
    )
    return values, places


@keras_op("Sort")
def Sort(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.axis is None:
        x = e.reshape(x, [-1], result=e.output_shape())
    values, _ = first_entries(e, x, None, _axis(e, -1 if op.axis is None else op.axis, x), largest=False)
    return values if x.dtype is None else e.cast(values, x.dtype)


@keras_op("Argsort")
def Argsort(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.axis is None:
        x = e.reshape(x, [-1], result=e.output_shape())
    return e.cast(first_entries(e, x, None, _axis(e, -1 if op.axis is None else op.axis, x), largest=False)[1], "int32")


@keras_op("TopK")
def TopK(e: KerasEmitter, op: Any, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Along the last axis."""
    if not op.sorted and int(op.k) > 1:
        e.refuse("sorted=False: its entries come in no order")
    values, places = first_entries(e, x, int(op.k), e.rank(x) - 1, largest=True)
    return values, e.cast(places, "int32")


@keras_op("Cumsum")
def Cumsum(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    axis = _axis(e, op.axis, x)
    x = e.promoted(x) if op.dtype is None else e.cast(x, op.dtype)
    return e.emit("CumSum", x, e.constant(np.asarray(axis, np.int64)), shape=e.shape(x))


@keras_op("TakeAlongAxis")
def TakeAlongAxis(e: KerasEmitter, op: Any, x: Any, indices: Any) -> ir.Value:
    """Entries at places along one axis; along the others the two are of one size, or one of them of a single entry."""
    x, indices = e.tensor(x), e.cast(e.tensor(indices), "int64")
    axis = _axis(e, op.axis, x)
    sizes = list(zip(e.shape(x), e.shape(indices), strict=True))
    wide = {k for k, (a, b) in enumerate(sizes) if k != axis and a == 1 != b}
    narrow = {k for k, (a, b) in enumerate(sizes) if k != axis and b == 1 != a}
    x, indices = _repeated(e, x, indices, wide), _repeated(e, indices, x, narrow)
    return e.emit("GatherElements", x, indices, axis=axis, shape=e.output_shape())


def _repeated(e: KerasEmitter, x: ir.Value, other: ir.Value, axes: set[int]) -> ir.Value:
    """``x`` along some axes, where it has one entry, as often as ``other`` is long there."""
    if not axes:
        return x
    repeats = [e.shape(other)[k] if k in axes else 1 for k in range(e.rank(x))]
    counts = [repeat for repeat in repeats if repeat is not None]
    if len(counts) < len(repeats):
        e.refuse("it repeats its values for each sample")
    shape = [size if k not in axes else counts[k] for k, size in enumerate(e.shape(x))]
    return e.emit("Tile", x, np.asarray(counts, np.int64), shape=shape)


@keras_op("OneHot")
def OneHot(e: KerasEmitter, op: Any, x: Any) -> ir.Value:
    """Composed: ONNX's own operator counts a negative index from the end, TensorFlow gives it no one at all."""
    if op.sparse:
        e.refuse("it puts out a sparse tensor")
    x = e.cast(e.tensor(x), "int64")
    rank = e.rank(x) + 1
    axis = int(op.axis) % rank
    classes = np.arange(int(op.num_classes), dtype=np.int64)
    classes = classes.reshape([-1 if k == axis else 1 for k in range(rank)])
    hit = e.emit("Equal", e.unsqueeze(x, [axis]), classes, shape=e.output_shape())
    return e.cast(hit, e.dtype)


@keras_op("Roll")
def Roll(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    if op.axis is None:  # through all samples of the batch together
        return e.emit("Roll", x, shifts=[int(np.sum(op.shift))], shape=e.shape(x))
    axes, shifts = (np.atleast_1d(given).tolist() for given in (op.axis, op.shift))
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    for axis, shift in zip((axis % e.rank(x) for axis in axes), shifts, strict=True):
        size = e.shape(x)[axis]
        if size is None:
            e.refuse("an axis of unknown size")
        first = -shift % size
        if first:
            ahead, behind = cut(e, x, {axis: slice(first, size)}), cut(e, x, {axis: slice(0, first)})
            x = e.emit("Concat", ahead, behind, axis=axis, shape=e.shape(x))
    return x


@keras_op("Nanmedian", "Nanquantile", "Nanpercentile")
def Nanquantile(e: KerasEmitter, op: Any, x: ir.Value, q: Any = 0.5) -> ir.Value:
    """Between entries of the sorted numbers, at places that follow from how many there are: from a table of all counts."""
    import keras
    import onnx_ir as ir

    if isinstance(q, ir.Value) or op.axis in ((), []):
        e.refuse("the quantile is computed, or no axis is reduced")
    part = np.asarray(q, keras.config.floatx())
    if type(op).__name__ == "Nanpercentile":
        part = part / part.dtype.type(100)
    x = e.promoted(x)
    rank, kind = e.rank(x), x.dtype.numpy() if x.dtype is not None else np.dtype("float32")
    axes = list(range(rank)) if op.axis is None else [int(axis) % rank for axis in np.atleast_1d(op.axis)]
    others = [axis for axis in range(rank) if axis not in axes]
    lead = [e.shape(x)[axis] for axis in others]
    reduced = [e.shape(x)[axis] for axis in axes]
    if None in reduced:
        e.refuse("an axis of unknown size")
    size = int(np.prod([int(length or 0) for length in reduced]))
    x = e.reshape(e.transpose(x, [*others, *axes]), [*[0] * len(others), size], result=[*lead, size])
    missing = e.emit("IsNaN", x)
    filled = e.emit("Where", missing, e.scalar(np.inf, x), x, shape=e.shape(x), dtype=x.dtype)
    ordered, _ = first_entries(e, filled, None, len(others), largest=False)
    numbers = e.cast(e.emit("Not", missing), "int64")
    count = e.reduce("ReduceSum", numbers, [len(others)], keepdims=False)
    lower, upper, share = _places(part.ravel(), size, getattr(op, "method", "linear"))
    shape = [*lead, part.size]
    entries = []
    for table in (lower, upper):
        places = e.emit("Gather", table, count, axis=0, shape=shape)
        entries.append(e.emit("GatherElements", ordered, places, axis=len(others), shape=shape))
    weights = [e.emit("Gather", table.astype(kind), count, axis=0, shape=shape) for table in (1 - share, share)]
    one, other = (e.emit("Mul", y, w, shape=shape) for y, w in zip(entries[::-1], weights, strict=True))
    y = e.emit("Add", one, other, shape=shape)
    none = e.unsqueeze(e.emit("Equal", count, e.scalar(0, count), shape=lead), [len(others)])
    y = e.emit("Where", none, e.scalar(np.nan, y), y, shape=shape, dtype=y.dtype)
    if part.ndim == 0:
        y = e.squeeze(y, [len(others)])
    else:
        y = e.transpose(y, [len(others), *range(len(others))])
    return e.unsqueeze(y, [axis + part.ndim for axis in sorted(axes)]) if op.keepdims else y


def _places(q: Any, size: int, method: str) -> tuple[Any, Any, Any]:
    """For each count of numbers up to ``size`` and each quantile: the entries around it, and the share of the lower one."""
    exact = np.maximum(np.arange(size + 1.0) - 1, 0)[:, None] * q.astype(np.float64)
    last = np.maximum(np.arange(size + 1) - 1, 0)[:, None]
    rounded: dict[str, Any] = {"lower": np.floor, "higher": np.ceil, "nearest": np.round}
    if method in rounded:
        place = np.clip(rounded[method](exact).astype(np.int64), 0, last)
        return place, place, np.zeros_like(exact)
    lower, upper = (np.clip(f(exact).astype(np.int64), 0, last) for f in (np.floor, np.ceil))
    if method == "midpoint":
        return lower, upper, np.full_like(exact, 0.5)
    lower = np.maximum(upper - 1, 0)
    upper = np.minimum(lower + 1, last)
    return lower, upper, upper - exact
