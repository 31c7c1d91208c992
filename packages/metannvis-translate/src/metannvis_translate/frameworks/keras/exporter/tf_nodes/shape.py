"""Sizes, and tensors made of sizes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, Sizes, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


def _sizes(n: Node, k: int, dtype: str) -> Any:
    x = n.operand(k)
    if isinstance(x, np.ndarray):
        return np.asarray(x.shape, dtype)
    value = n.value(k)
    e = n.e
    entries: list[Any] = []
    for axis, known in enumerate(e.shape(value)):
        size: Any = known
        if size is None:
            part = e.emit("Shape", value, start=axis, end=axis + 1, dtype="int64", shape=[1])
            size = e.squeeze(e.cast(part, dtype), [0])
            n.origin[id(size)] = (size, value, axis)
        entries.append(size)
    return Sizes.of(entries, dtype)


@tf_node("Shape", "ShapeN")
def Shape(n: Node) -> Any:
    found = [_sizes(n, k, n.dtype()) for k in range(len(n.operands))]
    return found[0] if n.kind == "Shape" else found


@tf_node("Size")
def Size(n: Node) -> Any:
    x = n.value(0)
    sizes = n.e.shape(x)
    if None not in sizes:
        return np.asarray(np.prod([int(size or 0) for size in sizes], dtype=np.int64), n.dtype())
    return n.e.cast(n.e.emit("Size", x, shape=[], dtype="int64"), n.dtype())


@tf_node("Rank")
def Rank(n: Node) -> Any:
    return np.asarray(n.e.rank(n.value(0)), np.int32)


@tf_node("BroadcastArgs")
def BroadcastArgs(n: Node) -> Any:
    """The shape of what is broadcast; a free size is that of the one that is longer than one."""
    one, other = (list(n.entries(k)) for k in range(2))
    length = max(len(one), len(other))
    pairs = zip([1] * (length - len(one)) + one, [1] * (length - len(other)) + other, strict=True)
    entries = []
    for a, b in pairs:
        if isinstance(a, int) and isinstance(b, int):
            entries.append(b if a == 1 else a)
        elif a is b or (isinstance(b, int) and b == 1):
            entries.append(a)
        elif isinstance(a, int):
            entries.append(b if a == 1 else a)
        else:
            entries.append(b if isinstance(b, int) else a)
    return Sizes.of(entries, n.dtype())


@tf_node("Fill")
def Fill(n: Node) -> ir.Value:
    return n.expanded(n.value(1), 0)


@tf_node("BroadcastTo")
def BroadcastTo(n: Node) -> ir.Value:
    return n.expanded(n.value(0), 1)


@tf_node("Range")
def Range(n: Node) -> ir.Value:
    return n.emit("Range", *(n.value(k) for k in range(3)))


@tf_node("LinSpace")
def LinSpace(n: Node) -> ir.Value:
    count = n.ints(2)[0]
    start, stop = n.value(0), n.value(1)
    parts = np.arange(count, dtype=n.dtype()) / max(count - 1, 1)
    step = n.e.emit("Mul", n.e.emit("Sub", stop, start, shape=()), n.e.constant(parts), shape=(count,))
    return n.emit("Add", start, step)
