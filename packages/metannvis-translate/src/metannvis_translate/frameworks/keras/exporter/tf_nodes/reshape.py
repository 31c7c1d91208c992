"""Moving, cutting, joining, repeating and padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import END, cut
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, Sizes, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


@tf_node("Reshape")
def Reshape(n: Node) -> Any:
    if isinstance(n.operand(0), Sizes) and n.shape() is not None and len(n.shape() or ()) < 2:
        (first, *_), shape = n.entries(0), n.shape()
        return n.operand(0) if shape else np.asarray(first, n.dtype()) if isinstance(first, int) else first
    e, x = n.e, n.value(0)
    entries = n.entries(1)
    before = e.shape(x)
    sizes: list[int | None] = [size if isinstance(size, int) and size >= 0 else None for size in entries]
    free = [k for k, size in enumerate(sizes) if size is None]
    result = n.shape()
    if 0 in sizes:
        return n.emit("Reshape", x, np.asarray([-1 if s is None else s for s in sizes], np.int64), allowzero=1)
    # 0 keeps a size: where a free one of the very same place is asked for, or what is left over can be nothing else
    kept = [k for k in free if k < len(before) and before[k] is None and n.is_size_of(entries[k], x, k)]
    rest = [k for k in free if k not in kept]
    if len(free) == 1 and len(before) > free[0] and before[free[0]] is None and _product(before) == _product(sizes):
        kept, rest = (free, []) if before.count(None) == 1 else (kept, rest)
    if len(rest) > 1:
        return n.emit("Reshape", x, n.value(1, "int64"))
    places = [0 if k in kept else -1 if size is None else size for k, size in enumerate(sizes)]
    others = [size for axis, size in enumerate(before) if axis not in kept]
    if rest and None not in others:  # what is left over is known
        places[rest[0]] = _product(others) // max(_product(sizes), 1)
        result = tuple(None if size == 0 else size for size in places)
    return e.reshape(x, places, result=result)


def _product(sizes: Any) -> int:
    return int(np.prod([size for size in sizes if size is not None], dtype=np.int64))


@tf_node("Squeeze")
def Squeeze(n: Node) -> ir.Value:
    x = n.value(0)
    axes = [int(axis) for axis in n.operation.get_attr("squeeze_dims")]
    return n.e.squeeze(x, axes or [k for k, size in enumerate(n.e.shape(x)) if size == 1])


@tf_node("ExpandDims")
def ExpandDims(n: Node) -> ir.Value:
    x = n.value(0)
    return n.e.unsqueeze(x, [axis % (n.e.rank(x) + 1) for axis in n.ints(1)])


@tf_node("Transpose", "ConjugateTranspose")
def Transpose(n: Node) -> ir.Value:
    return n.e.transpose(n.value(0), n.ints(1))


@tf_node("ConcatV2")
def ConcatV2(n: Node) -> Any:
    *parts, _ = range(len(n.operands))
    axis = n.ints(len(n.operands) - 1)[0]
    if any(isinstance(n.operand(k), Sizes) for k in parts):
        return Sizes.of([entry for k in parts for entry in n.entries(k)], n.dtype())
    values = [n.value(k) for k in parts]
    axis %= n.e.rank(values[0])
    sizes = [n.e.shape(value)[axis] for value in values]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    shape = [total if k == axis else size for k, size in enumerate(n.e.shape(values[0]))]
    return n.e.emit("Concat", *values, axis=axis, shape=shape, dtype=n.dtype())


@tf_node("Pack")
def Pack(n: Node) -> Any:
    axis, e = int(n.attribute("axis")), n.e
    if n.dtype() in ("int32", "int64") and n.shape() is not None and len(n.shape() or ()) == 1:
        entries = [int(x) if isinstance(x, np.ndarray) else x for x in map(n.operand, range(len(n.operands)))]
        return Sizes.of(entries, n.dtype())
    values = n.values()
    axis %= e.rank(values[0]) + 1
    if len(values) == 1:
        return e.unsqueeze(values[0], [axis])
    return n.emit("Concat", *(e.unsqueeze(value, [axis]) for value in values), axis=axis)


@tf_node("Unpack")
def Unpack(n: Node) -> list[Any]:
    if isinstance(n.operand(0), Sizes):
        return [np.asarray(x, n.dtype()) if isinstance(x, int) else x for x in n.entries(0)]
    x = n.value(0)
    axis = int(n.attribute("axis")) % n.e.rank(x)
    return [n.e.squeeze(cut(n.e, x, {axis: slice(k, k + 1)}), [axis]) for k in range(len(n.operation.outputs))]


@tf_node("Split", "SplitV")
def Split(n: Node) -> list[Any]:
    if n.kind == "SplitV" and isinstance(n.operand(0), Sizes):
        ends = np.cumsum(n.ints(1)).tolist()
        return [Sizes.of(n.entries(0)[a:b], n.dtype()) for a, b in zip([0, *ends], ends, strict=False)]
    x = n.value(1 if n.kind == "Split" else 0)
    axis = n.ints(0 if n.kind == "Split" else 2)[0] % n.e.rank(x)
    shapes = [n.shape(k) for k in range(len(n.operation.outputs))]
    if n.kind == "Split":
        found = n.e.emit_many("Split", x, axis=axis, num_outputs=len(shapes), outputs=len(shapes), shapes=shapes)
        return list(found)
    sizes = n.ints(1)
    total = n.e.shape(x)[axis]
    if -1 in sizes:
        if total is None:
            n.refuse("the size of a part is not known")
        sizes[sizes.index(-1)] = total - sum(size for size in sizes if size != -1)
    ends = np.cumsum(sizes)
    return [cut(n.e, x, {axis: slice(int(end) - size, int(end))}) for size, end in zip(sizes, ends, strict=True)]


@tf_node("StridedSlice")
def StridedSlice(n: Node) -> Any:
    slices, dropped, added = _indices(n)
    if isinstance(n.operand(0), Sizes):
        _check_known(n, slices)
        entries = n.entries(0)[slices.get(0, slice(None))]
        if dropped:
            return np.asarray(entries[0], n.dtype()) if isinstance(entries[0], int) else entries[0]
        return Sizes.of(list(entries), n.dtype())
    e = n.e
    # a single entry whose place is not known yet may be asked for as the one at -1, which is no slice
    picked = {axis: slices.pop(axis).start for axis in dropped if not isinstance(slices[axis].start, int)}
    x = _cut_at(n, n.value(0), slices)
    for axis, place in picked.items():
        shape = [1 if k == axis else size for k, size in enumerate(e.shape(x))]
        x = e.emit("Gather", x, e.unsqueeze(place, [0]), axis=axis, shape=shape)
    return e.unsqueeze(e.squeeze(x, dropped), added)


def _is_known(part: slice) -> bool:
    return all(place is None or isinstance(place, (int, np.integer)) for place in (part.start, part.stop))


def _check_known(n: Node, slices: dict[int, slice]) -> None:
    if not all(map(_is_known, slices.values())):
        n.refuse("where it starts or ends depends on values, or on a size that is free")


def _cut_at(n: Node, x: ir.Value, slices: dict[int, slice]) -> ir.Value:
    """Slice some axes, at places that may be known only when the model runs."""
    e = n.e
    x = cut(e, x, {axis: part for axis, part in slices.items() if _is_known(part)})
    free = {axis: part for axis, part in slices.items() if not _is_known(part)}
    if not free:
        return x
    if any(part.step is not None and part.step < 0 for part in free.values()):
        n.refuse("a step back from a place that depends on values, or on a size that is free")
    places = [
        _vector(n, [default if place is None else place for place in found])
        for default, found in (
            (0, [part.start for part in free.values()]),
            (END, [part.stop for part in free.values()]),
        )
    ]
    steps = e.ints(*(part.step or 1 for part in free.values()))
    shape = [None if axis in free else size for axis, size in enumerate(e.shape(x))]
    return e.emit("Slice", x, *places, e.ints(*free), steps, shape=shape)


def _vector(n: Node, entries: list[Any]) -> ir.Value:
    """Places, integers and values of a single one, as one value."""
    found = [int(x) if isinstance(x, (int, np.integer)) else n.e.cast(x, "int64") for x in entries]
    return n.as_value(Sizes.of(found, "int64"))


def _indices(n: Node) -> tuple[dict[int, slice], list[int], list[int]]:
    """Slices by axis, axes that are dropped, and places in the result of new ones."""
    begin, steps = _places(n, 1), n.ints(3)
    masks = {name: int(n.attribute(f"{name}_mask")) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    rank = 1 if isinstance(n.operand(0), Sizes) else n.e.rank(n.value(0))
    has = {name: [bool(mask >> k & 1) for k in range(len(begin))] for name, mask in masks.items()}
    end = _ends(n, masks["end"])
    taken = sum(not has["new_axis"][k] and not has["ellipsis"][k] for k in range(len(begin)))
    slices: dict[int, slice] = {}
    dropped, added, axis, place = [], [], 0, 0
    for k, (first, last, step) in enumerate(zip(begin, end, steps, strict=True)):
        if has["ellipsis"][k]:
            axis, place = axis + rank - taken, place + rank - taken
        elif has["new_axis"][k]:
            added.append(place)
            place += 1
        elif has["shrink_axis"][k]:
            slices[axis] = slice(first, first + 1 or None if isinstance(first, int) else None)
            dropped.append(axis)
            axis += 1
        else:
            slices[axis] = slice(
                None if has["begin"][k] else first, None if has["end"][k] else last, step if step != 1 else None
            )
            axis, place = axis + 1, place + 1
    return slices, dropped, added


def _places(n: Node, k: int) -> list[Any]:
    """Where slices start or end: integers, and values of a single one."""
    return n.ints(k) if n.is_known(k) else n.entries(k)


def _ends(n: Node, mask: int) -> list[Any]:
    """Where slices end: a free size that is the tensor's own is no end."""

    def is_no_end(k: int, entry: Any) -> bool:
        return bool(mask >> k & 1) or (not isinstance(n.operand(0), Sizes) and n.is_size_of(entry, n.value(0), k))

    return [
        entry if isinstance(entry, int) or not is_no_end(k, entry) else END for k, entry in enumerate(_places(n, 2))
    ]


@tf_node("Slice")
def Slice(n: Node) -> Any:
    if isinstance(n.operand(0), Sizes):
        (start,), (size,) = n.ints(1), n.ints(2)
        return Sizes.of(list(n.entries(0)[start : None if size == -1 else start + size]), n.dtype())
    x = n.value(0)
    slices: dict[int, slice] = {}
    for axis, (start, size) in enumerate(zip(n.entries(1), n.entries(2), strict=True)):
        if isinstance(start, int) and start == 0 and (size == -1 or n.is_size_of(size, x, axis)):
            continue
        slices[axis] = slice(start, None if isinstance(size, int) and size == -1 else _sum(n, start, size))
    return _cut_at(n, x, slices)


def _sum(n: Node, one: Any, other: Any) -> Any:
    """Of two places, each an integer or a value of a single one."""
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    if isinstance(one, int) and one == 0:
        return other
    values = [
        n.e.constant(np.asarray(x, np.int64)) if isinstance(x, int) else n.e.cast(x, "int64") for x in (one, other)
    ]
    return n.e.emit("Add", *values, shape=(), dtype="int64")


@tf_node("Pad", "PadV2")
def Pad(n: Node) -> Any:
    widths = n.array(1).astype(np.int64)
    if isinstance(n.operand(0), Sizes):
        one = n.ints(2)[0] if n.kind == "PadV2" else 0
        before, after = widths[0]
        return Sizes.of([*[one] * int(before), *n.entries(0), *[one] * int(after)], n.dtype())
    x = n.value(0)
    fill = n.value(2) if n.kind == "PadV2" else None
    if (widths < 0).any():
        n.refuse("a negative width")
    return n.emit("Pad", x, widths.T.ravel(), fill, mode="constant")


@tf_node("MirrorPad")
def MirrorPad(n: Node) -> ir.Value:
    """Parts of the tensor, turned round: ONNX has no padding that repeats the edge."""
    e, x, inner = n.e, n.value(0), int(n.attribute("mode") == "REFLECT")
    for axis, (before, after) in enumerate(n.array(1).astype(int).tolist()):
        parts = [x]
        if before:
            first = before + inner - 1
            parts.insert(0, cut(e, x, {axis: slice(first, inner - 1 if inner else None, -1)}))
        if after:
            parts.append(cut(e, x, {axis: slice(-1 - inner, -1 - inner - after, -1)}))
        if len(parts) > 1:
            sizes = [e.shape(part)[axis] for part in parts]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            shape = [total if k == axis else size for k, size in enumerate(e.shape(x))]
            x = e.emit("Concat", *parts, axis=axis, shape=shape)
    return x


@tf_node("Tile")
def Tile(n: Node) -> ir.Value:
    entries = n.entries(1)
    if all(isinstance(entry, int) for entry in entries):
        return n.emit("Tile", n.value(0), np.asarray(entries, np.int64))
    return n.emit("Tile", n.value(0), n.value(1, "int64"))


@tf_node("ReverseV2")
def ReverseV2(n: Node) -> ir.Value:
    x = n.value(0)
    return cut(n.e, x, {axis % n.e.rank(x): slice(None, None, -1) for axis in n.ints(1)})


@tf_node("Roll")
def Roll(n: Node) -> ir.Value:
    e, x = n.e, n.value(0)
    for shift, axis in zip(n.ints(1), n.ints(2), strict=True):
        axis %= e.rank(x)
        size = e.shape(x)[axis]
        if size is None:
            n.refuse("along an axis of free size")
        first = -shift % size if size else 0
        if first:
            parts = [cut(e, x, {axis: slice(first, size)}), cut(e, x, {axis: slice(0, first)})]
            x = e.emit("Concat", *parts, axis=axis, shape=e.shape(x))
    return x


@tf_node("DepthToSpace", "SpaceToDepth")
def depth(n: Node) -> ir.Value:
    e, x, size = n.e, n.value(0), int(n.attribute("block_size"))
    is_last = n.attribute("data_format") == "NHWC"
    x = e.transpose(x, (0, 3, 1, 2)) if is_last else x
    batch, channels, *sizes = e.shape(x)
    inwards = n.kind == "SpaceToDepth"
    count = size * size

    def scaled(value: int | None, factor: int, *, up: bool) -> int | None:
        return None if value is None else value * factor if up else value // factor

    shape = (batch, scaled(channels, count, up=inwards), *(scaled(s, size, up=not inwards) for s in sizes))
    y = e.emit(n.kind, x, blocksize=size, shape=shape, mode=None if inwards else "DCR")
    return e.transpose(y, (0, 2, 3, 1)) if is_last else y
