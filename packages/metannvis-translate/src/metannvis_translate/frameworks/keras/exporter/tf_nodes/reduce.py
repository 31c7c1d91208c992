"""Reductions and running sums."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, Sizes, tf_node
from metannvis_translate.graph.metadata import NUMBERS

if TYPE_CHECKING:
    import onnx_ir as ir

#: Of sizes, one after the other.
FOLDS = {"Sum": "Add", "Prod": "Mul", "Max": "Max", "Min": "Min"}


def _axes(n: Node) -> list[int]:
    return [axis % max(n.e.rank(n.value(0)), 1) for axis in n.ints(1)]


@tf_node("Sum", "Mean", "Max", "Min", "Prod")
def reduction(n: Node) -> Any:
    if not n.ints(1):
        return n.value(0)
    if isinstance(n.operand(0), Sizes) and n.kind in FOLDS and not n.attribute("keep_dims"):
        values = [n.as_value(x if not isinstance(x, int) else np.asarray(x, n.dtype())) for x in n.entries(0)]
        return reduce(lambda a, b: n.e.emit(FOLDS[n.kind], a, b, shape=(), dtype=n.dtype()), values)
    return n.e.reduce(f"Reduce{n.kind}", n.value(0), _axes(n), bool(n.attribute("keep_dims")))


@tf_node("EuclideanNorm")
def EuclideanNorm(n: Node) -> ir.Value:
    return n.e.reduce("ReduceL2", n.value(0), _axes(n), bool(n.attribute("keep_dims")))


@tf_node("All", "Any")
def truth(n: Node) -> ir.Value:
    if not n.ints(1):
        return n.value(0)
    how = "ReduceMin" if n.kind == "All" else "ReduceMax"
    return n.e.cast(n.e.reduce(how, n.value(0, "int32"), _axes(n), bool(n.attribute("keep_dims"))), "bool")


@tf_node("ArgMax", "ArgMin")
def place(n: Node) -> ir.Value:
    x = n.value(0)
    if x.dtype is not None and x.dtype.name == "BOOL":
        x = n.e.cast(x, "int32")
    found = n.e.emit(n.kind, x, axis=n.ints(1)[0], keepdims=0, shape=n.shape(), dtype="int64")
    n.e.state(found, NUMBERS, "plain")
    return n.e.cast(found, n.dtype())


@tf_node("Cumsum", "Cumprod")
def running(n: Node) -> ir.Value:
    flags = {name: int(n.attribute(name)) for name in ("exclusive", "reverse")}
    operator = "CumSum" if n.kind == "Cumsum" else "CumProd"
    x = n.value(0)
    axis = n.e.constant(np.asarray(n.ints(1)[0] % n.e.rank(x), np.int64))
    return n.emit(operator, x, axis, **flags)


@tf_node("L2Loss")
def L2Loss(n: Node) -> ir.Value:
    x = n.value(0)
    total = n.e.reduce("ReduceSumSquare", x, None, keepdims=False)
    return n.emit("Mul", total, n.e.scalar(0.5, x))
