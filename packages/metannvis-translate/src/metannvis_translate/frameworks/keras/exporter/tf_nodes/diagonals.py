"""Bands and diagonals of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


def _matrix_sizes(n: Node, x: ir.Value) -> tuple[int, int]:
    rows, columns = n.e.shape(x)[-2:]
    if rows is None or columns is None:
        n.refuse("a matrix of free size")
    return rows, columns


@tf_node("MatrixBandPart")
def MatrixBandPart(n: Node) -> ir.Value:
    """Entries not further than so many places below and above the diagonal; a negative number sets no limit."""
    e, x = n.e, n.value(0)
    rows, columns = (_steps(n, x, axis) for axis in (-2, -1))
    if isinstance(rows, np.ndarray) and isinstance(columns, np.ndarray):
        below: Any = rows[:, None] - columns
    else:
        shape = e.shape(x)[-2:]
        below = e.emit("Sub", e.unsqueeze(n.as_value(rows), [1]), n.as_value(columns), shape=shape, dtype="int64")
    masks = [_within(n, below, k) for k in (1, 2)]
    if all(isinstance(mask, np.ndarray) for mask in masks):
        mask: Any = masks[0] & masks[1]
    else:
        mask = e.emit("And", *masks, shape=e.shape(x)[-2:], dtype="bool")
    return n.emit("Where", mask, x, e.scalar(0, x) if x.dtype != e.dtype_of("bool") else np.zeros((), bool))


def _steps(n: Node, x: ir.Value, axis: int) -> Any:
    """0, 1, 2, … along an axis."""
    e, size = n.e, n.e.shape(x)[axis]
    if size is not None:
        return np.arange(size, dtype=np.int64)
    axis %= e.rank(x)
    count = e.squeeze(e.emit("Shape", x, start=axis, end=axis + 1, dtype="int64", shape=[1]), [0])
    return e.emit("Range", np.asarray(0, np.int64), count, np.asarray(1, np.int64), shape=[None], dtype="int64")


def _within(n: Node, below: Any, k: int) -> Any:
    """Where a matrix lies within a limit, below the diagonal (operand 1) or above it (operand 2)."""
    e = n.e
    if n.is_known(k) and isinstance(below, np.ndarray):
        limit = n.ints(k)[0]
        return (below <= limit if k == 1 else below >= -limit) if limit >= 0 else np.ones_like(below, bool)
    below = n.as_value(below)
    shape, most = e.shape(below), n.value(k, "int64")
    far = below if k == 1 else e.emit("Neg", below, shape=shape)
    inside = e.emit("LessOrEqual", far, most, shape=shape)
    return e.emit("Or", inside, e.emit("Less", most, np.asarray(0, np.int64), shape=()), shape=shape)


def _offset(n: Node, k: int) -> int:
    offsets = set(n.ints(k))
    if len(offsets) != 1:
        n.refuse("several diagonals")
    return offsets.pop()


@tf_node("MatrixDiagPartV3", "MatrixDiagPartV2", "MatrixDiagPart")
def MatrixDiagPart(n: Node) -> ir.Value:
    e, x = n.e, n.value(0)
    rows, columns = _matrix_sizes(n, x)
    offset = _offset(n, 1) if n.kind != "MatrixDiagPart" else 0
    first, second = np.arange(rows), np.arange(rows) + offset
    places = (first * columns + second)[(second >= 0) & (second < columns)]
    lead = e.shape(x)[:-2]
    line = e.reshape(x, [*[0] * len(lead), -1], result=(*lead, rows * columns))
    return n.emit("Gather", line, places.astype(np.int64), axis=len(lead))


@tf_node("MatrixDiagV3", "MatrixDiagV2", "MatrixDiag")
def MatrixDiag(n: Node) -> ir.Value:
    x = n.value(0)
    offset, padding = (0, n.e.scalar(0, x)) if n.kind == "MatrixDiag" else (_offset(n, 1), n.value(4))
    shape = n.shape()
    if shape is None or shape[-1] is None or shape[-2] is None:
        n.refuse("a matrix of free size")
    return _on_diagonal(n, x, offset, padding, (shape[-2], shape[-1]))


def _on_diagonal(n: Node, x: ir.Value, offset: int, other: ir.Value, sizes: tuple[int, int]) -> ir.Value:
    """A matrix with a diagonal, and something else beside it."""
    e, (rows, columns) = n.e, sizes
    length = e.shape(x)[-1]
    if length is None:
        n.refuse("a diagonal of free size")
    places = np.clip(np.arange(rows) + min(offset, 0), 0, length - 1)
    lead = e.shape(x)[:-1]
    spread = e.emit("Gather", x, places.astype(np.int64), axis=len(lead), shape=(*lead, rows))
    mask = np.arange(columns) - np.arange(rows)[:, None] == offset
    return n.emit("Where", mask, e.unsqueeze(spread, [len(lead) + 1]), other)


@tf_node("MatrixSetDiagV3", "MatrixSetDiagV2", "MatrixSetDiag")
def MatrixSetDiag(n: Node) -> ir.Value:
    x = n.value(0)
    offset = _offset(n, 2) if n.kind != "MatrixSetDiag" else 0
    return _on_diagonal(n, n.value(1), offset, x, _matrix_sizes(n, x))
