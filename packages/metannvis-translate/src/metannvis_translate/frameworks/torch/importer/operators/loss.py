"""Losses, as PyTorch's functions compute them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, calls
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

#: No class has this number: PyTorch's own default.
NONE_IGNORED = -100


def nll_loss(x: Tensor, target: Tensor, weight: Tensor | None, *, ignore: int, reduction: str) -> Tensor:
    """``F.nll_loss`` for labels of any integer type."""
    # PyTorch has no derivative for the weights of classes
    weight = None if weight is None else weight.detach()
    return F.nll_loss(x, target.long(), weight, ignore_index=ignore, reduction=reduction)


def cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, *, ignore: int, reduction: str
) -> tuple[Tensor, Tensor]:
    """``F.cross_entropy``, and the logarithm of the probabilities."""
    logarithm = torch.log_softmax(x, 1)
    return nll_loss(logarithm, target, weight, ignore=ignore, reduction=reduction), logarithm


@converter("NegativeLogLikelihoodLoss", since=12)
def NegativeLogLikelihoodLoss(
    ctx: TorchImporter,
    input: Value,
    target: Value,
    weight: Value | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> LaidOut:
    """``F.nll_loss``."""
    ignore = NONE_IGNORED if ignore_index is None else ignore_index
    rank = target.rank if reduction == "none" else 0
    return call(ctx, nll_loss, input, target, weight, rank=rank, ignore=ignore, reduction=reduction)


@converter("SoftmaxCrossEntropyLoss", since=12)
def SoftmaxCrossEntropyLoss(
    ctx: TorchImporter,
    scores: Value,
    labels: Value,
    weights: Value | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> tuple[LaidOut, ...]:
    """``F.cross_entropy``."""
    ignore = NONE_IGNORED if ignore_index is None else ignore_index
    ranks = (labels.rank if reduction == "none" else 0, scores.rank)
    return calls(ctx, cross_entropy, scores, labels, weights, ranks=ranks, ignore=ignore, reduction=reduction)
