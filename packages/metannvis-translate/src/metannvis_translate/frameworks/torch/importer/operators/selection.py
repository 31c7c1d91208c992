"""Selection of elements by condition, by score, once each; reversed sequences. Sizes of results may depend on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, calls
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def nonzero(x: Tensor) -> Tensor:
    """Indices of the elements that are not zero, an axis a row."""
    return torch.nonzero(x).T


@converter("NonZero", since=9)
def NonZero(ctx: TorchImporter, X: Value) -> LaidOut:
    """``torch.nonzero``."""
    return call(ctx, nonzero, X, rank=2)


def compress(x: Tensor, condition: Tensor, *, dim: int | None) -> Tensor:
    """What a condition holds for, along an axis or of all elements; what lies behind the condition's end is left out."""
    if dim is None:
        x, dim = x.flatten(), 0
    return torch.index_select(x, dim, torch.nonzero(condition).flatten())


@converter("Compress", since=9)
def Compress(ctx: TorchImporter, input: Value, condition: Value, *, axis: int | None = None) -> LaidOut:
    """``torch.index_select``."""
    dim = None if axis is None else axis % input.rank
    return call(ctx, compress, input, condition, rank=1 if dim is None else input.rank, dim=dim)


def unique(x: Tensor, *, dim: int | None, ordered: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each element (or slice) once, where it first stands, which of them each one is, and how often there is one."""
    if dim is None:
        x = x.flatten()
    # PyTorch does not sort bfloat16, which single precision holds
    wide = x.float() if x.dtype == torch.bfloat16 else x
    values, inverse, counts = torch.unique(wide, sorted=True, return_inverse=True, return_counts=True, dim=dim)
    places = torch.arange(inverse.numel(), device=x.device)
    first = torch.full_like(counts, inverse.numel()).scatter_reduce(0, inverse, places, "amin")
    if not ordered:
        order = first.argsort()
        values = values.index_select(dim or 0, order)
        first, counts, inverse = first[order], counts[order], order.argsort()[inverse]
    return values.to(x.dtype), first, inverse, counts


@converter("Unique", since=11)
def Unique(ctx: TorchImporter, X: Value, *, axis: int | None = None, sorted: int = 1) -> tuple[LaidOut, ...]:
    """``torch.unique``."""
    dim = None if axis is None else axis % X.rank
    ranks = (1 if dim is None else X.rank, 1, 1, 1)
    return calls(ctx, unique, X, ranks=ranks, dim=dim, ordered=bool(sorted))


def reverse(x: Tensor, lengths: Tensor, *, batch: int, time: int) -> Tensor:
    """Each sequence backwards as far as its length goes."""
    y = x.movedim((time, batch), (0, 1))
    at = torch.arange(y.shape[0], device=x.device)[:, None]
    index = torch.where(at < lengths, lengths - 1 - at, at).long()
    index = index.reshape(*index.shape, *[1] * (y.ndim - 2)).expand_as(y)
    return y.gather(0, index).movedim((0, 1), (time, batch))


@converter("ReverseSequence", since=10)
def ReverseSequence(
    ctx: TorchImporter, input: Value, sequence_lens: Value, *, batch_axis: int = 1, time_axis: int = 0
) -> LaidOut:
    """``torch.gather``."""
    return call(ctx, reverse, input, sequence_lens, rank=input.rank, batch=batch_axis, time=time_axis)


def suppress(
    boxes: Tensor, scores: Tensor, limit: Tensor | None, overlap: Tensor | None, least: Tensor | None, *, centre: bool
) -> Tensor:
    """``(batch, class, box)`` of the boxes that are kept: the best ones, and those that do not overlap them too much.

    One box of each class is chosen at a time: the best of those that are left.
    """
    most = 0 if limit is None else min(int(limit), scores.shape[2])
    bound = 0.0 if overlap is None else float(overlap)
    a, b = boxes[..., :2], boxes[..., 2:]
    low, high = (a - b / 2, a + b / 2) if centre else (torch.minimum(a, b), torch.maximum(a, b))
    order = torch.argsort(scores, dim=-1, descending=True, stable=True)
    low, high = (
        x[:, None].expand(-1, scores.shape[1], -1, -1).gather(2, order[..., None].expand(-1, -1, -1, 2))
        for x in (low, high)
    )
    area = (high - low).prod(-1)
    left = torch.ones_like(order, dtype=torch.bool)
    if least is not None:
        left = scores.gather(2, order) > least.reshape(())
    chosen = torch.full((*order.shape[:2], 0), -1, dtype=torch.int64, device=boxes.device)
    for _ in range(most):
        if not bool(left.any()):
            break
        best = left.to(torch.int8).argmax(-1, keepdim=True)
        corner = best[..., None].expand(-1, -1, -1, 2)
        shared = torch.minimum(high, high.gather(2, corner)) - torch.maximum(low, low.gather(2, corner))
        common = shared.clamp(min=0).prod(-1)
        chosen = torch.cat([chosen, torch.where(left.any(-1, keepdim=True), order.gather(2, best), -1)], -1)
        # zero over zero is no number, which is not more than anything
        left = (left & ~(common / (area + area.gather(2, best) - common) > bound)).scatter(2, best, False)
    places = torch.nonzero(chosen >= 0)
    return torch.stack([places[:, 0], places[:, 1], chosen[chosen >= 0]], -1)


@converter("NonMaxSuppression", since=10)
def NonMaxSuppression(
    ctx: TorchImporter,
    boxes: Value,
    scores: Value,
    max_output_boxes_per_class: Value | None = None,
    iou_threshold: Value | None = None,
    score_threshold: Value | None = None,
    *,
    center_point_box: int = 0,
) -> LaidOut:
    """By arithmetic on all classes at once, as a function."""
    inputs = (boxes, scores, max_output_boxes_per_class, iou_threshold, score_threshold)
    return call(ctx, suppress, *inputs, rank=2, centre=bool(center_point_box))
