"""Gathering, one-hot and top k."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.frameworks.torch.importer.sizes import Sizes
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("Gather", since=1)
def Gather(ctx: TorchImporter, data: Value, indices: Value, *, axis: int = 0) -> LaidOut:
    """``nn.Embedding`` for rows of a weight, ``torch.select`` for one index, ``torch.index_select`` for known ones."""
    axis %= data.rank
    if (
        isinstance(data, ConstantValue)
        and isinstance(indices, LaidOut)
        and data.rank == 2
        and axis == 0
        and data.trainable
    ):
        module = nn.Embedding(*data.array.shape, device="meta")
        module.weight = ctx.weight(data)
        x = ctx.plain(indices)
        return LaidOut(ctx.module(module, x.tensor), identity(x.rank + 1))
    if isinstance(indices, Sizes) and indices.rank == 0:
        x = ctx.placed(data)
        tensor = ctx.function(torch.select, x.tensor, x.axis(axis), *ctx.sizes(indices, "indices"))
        return LaidOut(tensor, layout.kept_axes(x.order, (axis,)))
    if isinstance(indices, ConstantValue) and not isinstance(indices, Sizes) and indices.rank <= 1:
        x = ctx.placed(data)
        if indices.rank == 0:
            tensor = ctx.function(torch.select, x.tensor, x.axis(axis), int(ctx.known(indices, "indices")))
            return LaidOut(tensor, layout.kept_axes(x.order, (axis,)))
        index = ctx.known(indices, "indices").astype(np.int64)
        size = data.array.shape[axis] if isinstance(data, ConstantValue) else (ctx.shape(0) or (None,) * x.rank)[axis]
        if size is not None or (index >= 0).all():
            known = ConstantValue(np.where(index < 0, index + (size or 0), index), name=f"{indices.name}.index")
            return LaidOut(ctx.function(torch.index_select, x.tensor, x.axis(axis), ctx.constant(known, (0,))), x.order)
    x, index_placed = ctx.plain(data), ctx.plain(indices)
    key = (*[slice(None)] * axis, index_placed.tensor)
    return LaidOut(ctx.function(operator.getitem, x.tensor, key), identity(x.rank - 1 + index_placed.rank))


@converter("GatherElements", since=11)
def GatherElements(ctx: TorchImporter, data: Value, indices: Value, *, axis: int = 0) -> LaidOut:
    """``torch.gather``."""
    x = ctx.plain(data)
    index = _not_negative(ctx, x, indices, axis)
    return LaidOut(ctx.function(torch.gather, x.tensor, axis, index), identity(x.rank))


def gather_nd(x: torch.Tensor, index: torch.Tensor, *, batch: int) -> torch.Tensor:
    """Slices at places that indices name, the first axes counting for both alike."""
    keys = []
    for k in range(batch):
        size = [1] * (index.ndim - 1)
        size[k] = -1
        keys.append(torch.arange(x.shape[k], device=x.device).reshape(size))
    return x[(*keys, *index.unbind(-1))]


@converter("GatherND", since=11)
def GatherND(ctx: TorchImporter, data: Value, indices: Value, *, batch_dims: int = 0) -> LaidOut:
    """Indexing with the last axis of ``indices`` taken apart."""
    shape = indices.array.shape if isinstance(indices, ConstantValue) else ctx.shape(1)
    if batch_dims and shape is not None and shape[-1] is not None:
        rank = indices.rank - 1 + data.rank - shape[-1] - batch_dims
        return call(ctx, gather_nd, data, indices, rank=rank, batch=batch_dims)
    if batch_dims or shape is None or shape[-1] is None:
        ctx.refuse("batch_dims" if batch_dims else "how many axes it indexes is not known")
    x, index = ctx.plain(data), ctx.plain(indices)
    parts = ctx.function(torch.unbind, index.tensor, -1)
    keys = tuple(ctx.function(operator.getitem, parts, k) for k in range(shape[-1]))
    return LaidOut(ctx.function(operator.getitem, x.tensor, keys), identity(index.rank - 1 + x.rank - shape[-1]))


def _not_negative(ctx: TorchImporter, data: LaidOut, indices: Value, axis: int) -> torch.fx.Node:
    """Indices that count from the start, which is all that ``torch.gather`` and ``torch.scatter`` take."""
    if isinstance(indices, ConstantValue) and (indices.array >= 0).all():
        return ctx.plain(indices).tensor
    size = (ctx.shape(0) or (None,) * data.rank)[axis]
    count = ctx.method("size", data.tensor, axis) if size is None else size
    return ctx.function(torch.remainder, ctx.plain(indices).tensor, count)


def one_hot(indices: torch.Tensor, depth: torch.Tensor, values: torch.Tensor, *, axis: int) -> torch.Tensor:
    """Rows of as many classes as a tensor says, with the values that a tensor holds."""
    count = int(depth)
    index = indices.long().unsqueeze(axis)
    shape = [-1 if k == axis else 1 for k in range(index.ndim)]
    classes = torch.arange(count, device=indices.device).reshape(shape)
    return torch.where(torch.where(index < 0, index + count, index) == classes, values[1], values[0])


@converter("OneHot", since=9)
def OneHot(ctx: TorchImporter, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> LaidOut:
    """``F.one_hot``; an index out of range gives no one at all."""
    if isinstance(depth, LaidOut) or isinstance(values, LaidOut):
        return call(ctx, one_hot, indices, depth, values, rank=indices.rank + 1, axis=axis % (indices.rank + 1))
    x = ctx.plain(indices)
    count = int(ctx.known(depth, "depth").reshape(()))
    off, on = ctx.known(values, "values").tolist()
    rank = x.rank + 1
    classes = ConstantValue(np.arange(count), name=f"{ctx.node.outputs[0].name}.classes")
    index = ctx.function(torch.unsqueeze, ctx.method("long", x.tensor), -1)
    index = ctx.function(
        torch.where, ctx.function(operator.lt, index, 0), ctx.function(operator.add, index, count), index
    )
    hit = ctx.function(torch.eq, index, ctx.constant(classes, (0,)))
    dtype = getattr(torch, str(ctx.known(values, "values").dtype))
    tensor = ctx.method("to", ctx.function(torch.where, hit, on, off), dtype)
    # the new axis stands last; logically it is `axis`
    old = [k for k in range(rank) if k != axis % rank]
    return LaidOut(tensor, (*old, axis % rank))


def first_of(x: torch.Tensor, *, count: int, dim: int, largest: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest (or smallest) elements and where they stand; of equal ones the first, which ``torch.topk`` leaves open."""
    values, indices = torch.sort(x, dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, count), indices.narrow(dim, 0, count)


@converter("Argsort", domain=DOMAIN)
def Argsort(ctx: TorchImporter, X: Value, *, axis: int, descending: int = 0) -> LaidOut:
    """``torch.argsort`` that leaves equal entries in their order."""
    x = ctx.placed(X)
    options = {"dim": x.axis(axis), "descending": bool(descending), "stable": True}
    return LaidOut(ctx.function(torch.argsort, x.tensor, **options), x.order)


@converter("TopK", since=1)
def TopK_1(ctx: TorchImporter, X: Value, *, axis: int = -1, k: int) -> tuple[LaidOut, LaidOut]:
    """The largest, their number an attribute."""
    return TopK(ctx, X, ConstantValue(np.array(k)), axis=axis)


@converter("TopK", since=10)
def TopK(
    ctx: TorchImporter, X: Value, K: Value, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[LaidOut, LaidOut]:
    """``torch.topk``."""
    x = ctx.placed(X)
    (count,) = ctx.sizes(K, "K")
    if ctx.ties == "any":
        both = ctx.function(torch.topk, x.tensor, count, x.axis(axis), bool(largest), bool(sorted))
    else:
        both = ctx.function(first_of, x.tensor, count=count, dim=x.axis(axis), largest=bool(largest))
    values, indices = (ctx.function(operator.getitem, both, k) for k in range(2))
    return LaidOut(values, x.order), LaidOut(indices, x.order)
