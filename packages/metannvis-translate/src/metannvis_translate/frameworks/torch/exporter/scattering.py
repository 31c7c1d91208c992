"""Scattering: entries put at places of a tensor, which are counted, a diagonal, those of another layout, or those of a sum."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number

__all__ = ["translations"]


def ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def known(x: Any, what: str) -> list[int]:
    sizes = list(x.shape)
    if not all(isinstance(size, int) for size in sizes):
        raise NotImplementedError(f"{what} of a tensor of free size")
    return sizes


def in_line(x: Any) -> Any:
    return op.Reshape(x, ints(-1))


def as_before(x: Any, sizes: Sequence[int]) -> Any:
    return x if len(sizes) == 1 else op.Reshape(x, ints(*sizes) if sizes else no_integers())


def reduced(x: Any, dim: int, index: Any, src: Any, reduce: str) -> Any:
    kind = {"add": "add", "multiply": "mul"}[reduce]
    if len(x.shape):
        return op.ScatterElements(x, index, src, axis=dim, reduction=kind)
    return as_before(op.ScatterElements(*map(in_line, (x, index, src)), axis=0, reduction=kind), [])


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def scatter_with(self, dim: int, index, src, reduce: str):  # type: ignore[no-untyped-def]
    axes = list(range(len(self.shape)))
    if axes and list(src.shape) != list(index.shape):
        src = op.Slice(src, [0] * len(axes), op.Shape(index), axes)
    return reduced(self, dim, index, src, reduce)


def scatter_number_with(self, dim: int, index, value: float, reduce: str):  # type: ignore[no-untyped-def]
    src = op.Expand(number(value, self), op.Shape(index))
    return reduced(self, dim, index, src, reduce)


def scatter_add(self, dim: int, index, src):  # type: ignore[no-untyped-def]
    return scatter_with(self, dim, index, src, "add")


def put(self, index, source, accumulate: bool = False):  # type: ignore[no-untyped-def]
    sizes = known(self, "entries put at counted places")
    if 0 in list(index.shape):
        return op.Identity(self)
    found = op.ScatterElements(*map(in_line, (self, index, source)), axis=0, reduction="add" if accumulate else "none")
    return as_before(found, sizes)


def as_strided_scatter(  # type: ignore[no-untyped-def]
    self, src, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
):
    sizes = known(self, "a layout of its own")
    start = storage_offset or 0
    rows = [range(0, n * step, step) if step else [0] * n for n, step in zip(size, stride, strict=True)]
    places = [start + sum(place) for place in itertools.product(*rows)]
    if not places:
        return op.Identity(self)
    return as_before(op.ScatterElements(in_line(self), ints(*places), in_line(src), axis=0), sizes)


def diagonal_scatter(self, src, offset: int = 0, dim1: int = 0, dim2: int = 1):  # type: ignore[no-untyped-def]
    rank = len(self.shape)
    first, second = dim1 % rank, dim2 % rank
    rows, columns = self.shape[first], self.shape[second]
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise NotImplementedError("a diagonal of free size is replaced")
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    if not count:
        return op.Identity(self)
    order = [*(k for k in range(rank) if k not in (first, second)), first, second]
    # its entries lie one row and one column apart
    x = op.Reshape(op.Transpose(self, perm=order), ints(*[0] * (rank - 2), rows * columns))
    start = offset if offset >= 0 else -offset * columns
    places = ints(*range(start, start + (count - 1) * (columns + 1) + 1, columns + 1))
    found = op.ScatterElements(x, op.Expand(places, op.Shape(src)), src, axis=rank - 2)
    found = op.Reshape(found, ints(*[0] * (rank - 2), rows, columns))
    return op.Transpose(found, perm=[order.index(k) for k in range(rank)])


def nonzero_static(self, size: int, fill_value: int = -1):  # type: ignore[no-untyped-def]
    rank = len(self.shape)
    found = op.Transpose(op.NonZero(self), perm=[1, 0])
    none = op.Expand(ints(fill_value), ints(size, rank))
    return op.Slice(op.Concat(found, none, axis=0), ints(0), ints(size), ints(0))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.as_strided_scatter.default: as_strided_scatter,
        aten.diagonal_scatter.default: diagonal_scatter,
        aten.nonzero_static.default: nonzero_static,
        aten.put.default: put,
        aten.scatter.reduce: scatter_with,
        aten.scatter.value_reduce: scatter_number_with,
        aten.scatter_add.default: scatter_add,
    }
