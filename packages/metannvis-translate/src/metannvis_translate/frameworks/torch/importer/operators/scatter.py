"""Scattering."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.operators.gather import _not_negative
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

#: ONNX's names of reductions, and PyTorch's.
REDUCTIONS = {"mul": "prod", "max": "amax", "min": "amin"}


@converter("ScatterElements", since=11)
def ScatterElements(
    ctx: TorchImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0, reduction: str = "none"
) -> LaidOut:
    """``torch.scatter``, ``torch.scatter_add``."""
    x, new = ctx.plain(data), ctx.plain(updates)
    index = _not_negative(ctx, x, indices, axis)
    if reduction in REDUCTIONS:
        name = REDUCTIONS[reduction]
        return LaidOut(ctx.function(torch.scatter_reduce, x.tensor, axis, index, new.tensor, name), identity(x.rank))
    if reduction not in ("none", "add"):
        ctx.refuse(f"its reduction is {reduction!r}")
    function = torch.scatter if reduction == "none" else torch.scatter_add
    return LaidOut(ctx.function(function, x.tensor, axis, index, new.tensor), identity(x.rank))


@converter("Scatter", since=9)
def Scatter(ctx: TorchImporter, data: Value, indices: Value, updates: Value, *, axis: int = 0) -> LaidOut:
    """``torch.scatter``."""
    return ScatterElements(ctx, data, indices, updates, axis=axis)


def scatter_nd(x: torch.Tensor, index: torch.Tensor, new: torch.Tensor, *, reduction: str) -> torch.Tensor:
    """Slices at places that indices name, combined with what stands there."""
    depth = index.shape[-1]
    sizes = x.shape[:depth]
    flat = x.reshape(-1, *x.shape[depth:])
    place = torch.zeros(index.shape[:-1], dtype=torch.int64, device=x.device)
    for k, size in enumerate(sizes):
        place = place * size + torch.where(index[..., k] < 0, index[..., k] + size, index[..., k])
    new = new.reshape(-1, *x.shape[depth:])
    place = place.reshape(-1, *[1] * (flat.ndim - 1)).expand_as(new)
    return flat.scatter_reduce(0, place, new, REDUCTIONS[reduction]).reshape(x.shape)


@converter("ScatterND", since=11)
def ScatterND(ctx: TorchImporter, data: Value, indices: Value, updates: Value, *, reduction: str = "none") -> LaidOut:
    """``torch.index_put``."""
    shape = indices.array.shape if isinstance(indices, ConstantValue) else ctx.shape(1)
    if reduction in REDUCTIONS:
        return call(ctx, scatter_nd, data, indices, updates, rank=data.rank, reduction=reduction)
    if reduction not in ("none", "add") or shape is None or shape[-1] is None:
        ctx.refuse("its reduction or how many axes it indexes is not supported")
    x, index, new = ctx.plain(data), ctx.plain(indices), ctx.plain(updates)
    parts = ctx.function(torch.unbind, index.tensor, -1)
    keys = tuple(ctx.function(operator.getitem, parts, k) for k in range(shape[-1]))
    return LaidOut(ctx.function(torch.index_put, x.tensor, keys, new.tensor, reduction == "add"), x.order)


def tensor_scatter(past: Tensor, update: Tensor, starts: Tensor | None, *, dim: int, circular: bool) -> Tensor:
    """A cache with an update written into it along an axis, from a place on that each batch has its own of."""
    y, new = past.movedim(dim, 1), update.movedim(dim, 1)
    if starts is None:
        starts = torch.zeros(past.shape[0], dtype=torch.int64, device=past.device)
    index = starts[:, None] + torch.arange(new.shape[1], device=past.device)
    if circular:
        index = index % y.shape[1]
    index = index.reshape(*index.shape, *[1] * (y.ndim - 2)).expand_as(new)
    return y.scatter(1, index, new).movedim(1, dim)


@converter("TensorScatter", since=24)
def TensorScatter(
    ctx: TorchImporter,
    past_cache: Value,
    update: Value,
    write_indices: Value | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> LaidOut:
    """``torch.scatter``."""
    rank = past_cache.rank
    options = {"dim": axis % rank, "circular": mode == "circular"}
    return call(ctx, tensor_scatter, past_cache, update, write_indices, rank=rank, **options)
