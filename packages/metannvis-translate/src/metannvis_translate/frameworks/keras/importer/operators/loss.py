"""Losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("NegativeLogLikelihoodLoss", since=12)
def NegativeLogLikelihoodLoss(
    ctx: KerasImporter,
    input: Value,
    target: Value,
    weight: Value | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> LaidOut:
    """−weight[target] · input[target] of logarithms of probabilities ``(batch, classes, …)``."""
    tensor = likelihood(ctx, ctx.plain(input).tensor, target, weight, ignore_index, reduction)
    return LaidOut(tensor, identity(len(tensor.shape)))


@converter("SoftmaxCrossEntropyLoss", since=12)
def SoftmaxCrossEntropyLoss(
    ctx: KerasImporter,
    scores: Value,
    labels: Value,
    weights: Value | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> tuple[LaidOut, LaidOut]:
    """The negative log-likelihood of the softmax of scores ``(batch, classes, …)``; and that softmax's logarithm."""
    logarithm = ops.log_softmax(ctx.plain(scores).tensor, axis=1)
    tensor = likelihood(ctx, logarithm, labels, weights, ignore_index, reduction)
    return LaidOut(tensor, identity(len(tensor.shape))), LaidOut(logarithm, identity(scores.rank))


def likelihood(
    ctx: KerasImporter, logarithm: Any, target: Value, weight: Value | None, ignored: int | None, reduction: str
) -> Any:
    labels = ctx.plain(target).tensor
    zero, one = np.zeros((), ctx.compute), np.ones((), ctx.compute)
    counts = None if ignored is None else ops.not_equal(labels, ignored)
    if ignored is not None:
        labels = ops.where(counts, labels, ops.zeros_like(labels))
    picked = ops.squeeze(ops.take_along_axis(logarithm, ops.expand_dims(labels, 1), axis=1), axis=1)
    shares = None
    if weight is not None:
        shares = ops.take(ctx.plain(weight).tensor, labels, axis=0)
    if ignored is not None:
        shares = ops.where(counts, one if shares is None else shares, zero)
    losses = ops.negative(picked if shares is None else ops.multiply(picked, shares))
    if ignored is not None:
        losses = ops.where(counts, losses, zero)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return ops.sum(losses)
    return ops.mean(losses) if shares is None else ops.divide(ops.sum(losses), ops.sum(shares))
