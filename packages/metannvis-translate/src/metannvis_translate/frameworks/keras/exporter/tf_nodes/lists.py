"""Lists of tensors, which loops write out turn by turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, TensorList, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


def _list(n: Node) -> list[Any]:
    found = n.operand(0)
    if not isinstance(found, TensorList):
        n.refuse("its list is not known turn by turn")
    return list(found.items)


@tf_node("TensorListReserve")
def TensorListReserve(n: Node) -> Any:
    return TensorList((None,) * n.ints(1)[0])


@tf_node("EmptyTensorList")
def EmptyTensorList(n: Node) -> Any:
    return TensorList(())


@tf_node("TensorListFromTensor")
def TensorListFromTensor(n: Node) -> Any:
    x = n.value(0)
    count = n.e.shape(x)[0]
    if count is None:
        n.refuse("a loop over an axis of free size")
    return TensorList(tuple(n.e.squeeze(cut(n.e, x, {0: slice(k, k + 1)}), [0]) for k in range(count)))


@tf_node("TensorListGetItem")
def TensorListGetItem(n: Node) -> Any:
    return _list(n)[n.ints(1)[0]]


@tf_node("TensorListSetItem")
def TensorListSetItem(n: Node) -> Any:
    items = _list(n)
    items[n.ints(1)[0]] = n.operand(2)
    return TensorList(tuple(items))


@tf_node("TensorListPushBack")
def TensorListPushBack(n: Node) -> Any:
    return TensorList((*_list(n), n.operand(1)))


@tf_node("TensorListLength")
def TensorListLength(n: Node) -> Any:
    return np.asarray(len(_list(n)), np.int32)


@tf_node("TensorListStack")
def TensorListStack(n: Node) -> ir.Value:
    items = _list(n)
    if not items or any(item is None for item in items):
        n.refuse("an entry of its list was never written")
    values = [n.as_value(item) for item in items]
    rows = [n.e.unsqueeze(value, [0]) for value in values]
    return n.e.emit("Concat", *rows, axis=0, shape=(len(rows), *n.e.shape(values[0])), dtype=n.dtype())
