"""Writing at places that data names, sums of segments, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir

REDUCTIONS = {"Update": "none", "Add": "add", "Max": "max", "Min": "min"}


for _name, _reduction in REDUCTIONS.items():

    @tf_node(f"TensorScatter{_name}")
    def tensor_scatter(n: Node, *, _reduction: str = _reduction) -> ir.Value:
        return n.emit("ScatterND", n.value(0), n.value(1, "int64"), n.value(2), reduction=_reduction)


@tf_node("TensorScatterSub")
def TensorScatterSub(n: Node) -> ir.Value:
    less = n.e.emit("Neg", n.value(2))
    return n.emit("ScatterND", n.value(0), n.value(1, "int64"), less, reduction="add")


@tf_node("ScatterNd")
def ScatterNd(n: Node) -> ir.Value:
    base = _full(n, n.ints(2), 0)
    return n.emit("ScatterND", base, n.value(0, "int64"), n.value(1), reduction="add")


@tf_node("XlaDynamicUpdateSlice")
def XlaDynamicUpdateSlice(n: Node) -> ir.Value:
    """A block written into a tensor: at places that are known."""
    e, x, new = n.e, n.value(0), n.value(1)
    sizes, block = e.shape(x), e.shape(new)
    if None in sizes or None in block:
        n.refuse("a tensor of free size")
    starts = [
        min(max(start, 0), int(size or 0) - int(width or 0))
        for start, size, width in zip(n.ints(2), sizes, block, strict=True)
    ]
    places = np.stack(
        np.meshgrid(*(np.arange(a, a + int(w or 0)) for a, w in zip(starts, block, strict=True)), indexing="ij"),
        axis=-1,
    )
    return n.emit("ScatterND", x, places.astype(np.int64), new, reduction="none")


def _full(n: Node, shape: list[int], value: Any) -> ir.Value:
    return n.e.constant(np.full(shape, value, n.dtype()))


# --- segments ---------------------------------------------------------------------------------------------------------


def _least(dtype: str, *, largest: bool = False) -> Any:
    kind = np.dtype(dtype)
    info: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return info.max if largest else info.min


@tf_node(*(f"UnsortedSegment{name}" for name in ("Sum", "Max", "Min", "Prod")))
def unsorted_segment(n: Node) -> ir.Value:
    """Rows that share a segment, combined; a negative segment is none."""
    e, data, segments = n.e, n.value(0), n.value(1, "int64")
    count = n.ints(2)[0]
    name = n.kind.removeprefix("UnsortedSegment")
    start = {"Sum": 0, "Prod": 1, "Max": _least(n.dtype()), "Min": _least(n.dtype(), largest=True)}[name]
    rest = e.shape(data)[e.rank(segments) :]
    if None in rest:
        n.refuse("rows of free size")
    base = _full(n, [count + 1, *(int(size or 0) for size in rest)], start)
    zero, last = e.scalar(0, segments), e.scalar(count, segments)
    negative = e.emit("Less", segments, zero, shape=e.shape(segments))
    places = e.emit("Where", negative, last, segments, shape=e.shape(segments), dtype="int64")
    reduction = {"Sum": "add", "Prod": "mul", "Max": "max", "Min": "min"}[name]
    y = e.emit(
        "ScatterND", base, e.unsqueeze(places, [e.rank(places)]), data, reduction=reduction, shape=(count + 1, *rest)
    )
    return cut(e, y, {0: slice(0, count)})


@tf_node("DenseBincount")
def DenseBincount(n: Node) -> ir.Value:
    """How often each number occurs, or the sum of the weights where it does."""
    e, x, size = n.e, n.value(0, "int64"), n.ints(1)[0]
    rank = e.rank(x)
    shape = (*e.shape(x), size)
    hits = e.emit("Equal", e.unsqueeze(x, [rank]), np.arange(size, dtype=np.int64), shape=shape)
    if n.attribute("binary_output"):
        return e.cast(e.reduce("ReduceMax", e.cast(hits, "int32"), [rank - 1], keepdims=False), n.dtype())
    hits = e.cast(hits, n.dtype())
    weights = n.operand(2)
    if not (isinstance(weights, np.ndarray) and weights.size == 0):
        hits = e.emit("Mul", hits, e.unsqueeze(n.value(2), [rank]), shape=shape)
    return e.reduce("ReduceSum", hits, [rank - 1], keepdims=False)
