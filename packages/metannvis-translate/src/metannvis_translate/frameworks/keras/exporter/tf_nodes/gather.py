"""Entries at places that data names, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.ordering import first_entries
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, Sizes, Variable, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


@tf_node("GatherV2", "Gather", "ResourceGather")
def Gather(n: Node) -> Any:
    e = n.e
    if isinstance(n.operand(0), Sizes) and n.is_known(1):
        picked = [n.entries(0)[k] for k in n.ints(1)]
        if n.array(1).ndim == 0:
            return np.asarray(picked[0], n.dtype()) if isinstance(picked[0], int) else picked[0]
        return Sizes.of(picked, n.dtype())
    x, places = n.value(0), n.value(1)
    axis = n.ints(2)[0] % e.rank(x) if n.kind == "GatherV2" else 0
    count = int(n.attribute("batch_dims")) % max(e.rank(places), 1) if n.kind != "Gather" else 0
    if not count:
        shape = (*e.shape(x)[:axis], *e.shape(places), *e.shape(x)[axis + 1 :])
        return e.emit("Gather", x, places, axis=axis, shape=shape)
    rank = e.rank(x)
    places = e.cast(places, "int64")
    front = [*range(count), axis, *(k for k in range(count, rank) if k != axis)]
    moved = e.transpose(x, front)
    extra = e.rank(places) - count
    rest = [e.shape(moved)[k] for k in range(count + 1, rank)]
    found = e.emit(
        "GatherND",
        moved,
        e.unsqueeze(places, [e.rank(places)]),
        batch_dims=count,
        shape=(*e.shape(places), *rest),
    )
    between = axis - count  # axes of the tensor that come before what is gathered
    first = list(range(count + extra, count + extra + between))
    order = [*range(count), *first, *range(count, count + extra), *range(count + extra + between, e.rank(found))]
    return e.transpose(found, order)


@tf_node("GatherNd")
def GatherNd(n: Node) -> ir.Value:
    return n.emit("GatherND", n.value(0), n.value(1, "int64"))


@tf_node("OneHot")
def OneHot(n: Node) -> ir.Value:
    """Composed: ONNX's own operator counts a negative index from the end, TensorFlow gives it no one at all."""
    e, x = n.e, n.value(0, "int64")
    rank = e.rank(x) + 1
    axis = int(n.attribute("axis")) % rank
    classes = np.arange(n.ints(1)[0], dtype=np.int64).reshape([-1 if k == axis else 1 for k in range(rank)])
    hit = e.emit("Equal", e.unsqueeze(x, [axis]), classes, shape=n.shape())
    return n.emit("Where", hit, n.value(2), n.value(3))


@tf_node("TopKV2")
def TopKV2(n: Node) -> list[ir.Value]:
    x = n.value(0)
    size = n.e.shape(x)[-1]
    is_all = n.is_size_of(n.operand(1), x, n.e.rank(x) - 1)
    count = size if is_all else n.ints(1)[0]
    if not n.attribute("sorted") and count != 1:
        n.refuse("sorted=False: its entries come in no order")
    values, places = first_entries(n.e, x, count, n.e.rank(x) - 1, largest=True)
    return [n.e.cast(values, n.dtype(0)), n.e.cast(places, n.dtype(1))]


@tf_node("InTopKV2", "InTopK")
def InTopK(n: Node) -> ir.Value:
    """Fewer than ``k`` classes are likelier than the target; none is in where its own score is not finite."""
    e, scores, targets = n.e, n.value(0), n.value(1, "int64")
    k = n.ints(2)[0] if n.kind == "InTopKV2" else int(n.attribute("k"))
    own = e.emit("GatherElements", scores, e.unsqueeze(targets, [1]), axis=1, shape=(e.shape(targets)[0], 1))
    above = e.cast(e.emit("Greater", scores, own, shape=e.shape(scores)), "int32")
    count = e.reduce("ReduceSum", above, [1], keepdims=False)
    own = e.squeeze(own, [1])
    undefined = e.emit("Or", e.emit("IsInf", own), e.emit("IsNaN", own), shape=n.shape())
    few = e.emit("Less", count, e.scalar(k, count), shape=n.shape())
    return e.emit("And", few, e.emit("Not", undefined), shape=n.shape())


def _counted(n: Node, hits: ir.Value, axis: int) -> ir.Value:
    return n.e.cast(n.e.reduce("ReduceSum", n.e.cast(hits, "int32"), [axis], keepdims=False), n.dtype())


@tf_node("Bucketize")
def Bucketize(n: Node) -> ir.Value:
    """How many boundaries do not lie above; those of a number that is none do not."""
    e = n.e
    x = n.value(0)
    if x.dtype is not None and not x.dtype.is_floating_point():
        x = e.cast(x, "float32")
    kind = np.float32 if x.dtype is None else x.dtype.numpy()
    bounds = np.asarray(n.operation.get_attr("boundaries"), np.float32).astype(kind)
    rank = e.rank(x)
    shape = (*e.shape(x), len(bounds))
    below = e.emit("Less", e.unsqueeze(x, [rank]), bounds, shape=shape)
    return _counted(n, e.emit("Not", below), rank)


@tf_node("LowerBound", "UpperBound")
def bound(n: Node) -> ir.Value:
    e, ordered, x = n.e, n.value(0), n.value(1)
    line, points = e.unsqueeze(ordered, [1]), e.unsqueeze(x, [2])
    shape = (*e.shape(x), e.shape(ordered)[-1])
    operator = "Less" if n.kind == "LowerBound" else "LessOrEqual"
    return _counted(n, e.emit(operator, line, points, shape=shape), 2)


@tf_node("ReadVariableOp", "VariableV2")
def read(n: Node) -> Any:
    found = n.operands[0]
    return n.e.own_weight(found.layer, found.variable) if isinstance(found, Variable) else n.value(0)


@tf_node("InvertPermutation")
def InvertPermutation(n: Node) -> Any:
    return np.argsort(n.array(0)).astype(n.dtype())
