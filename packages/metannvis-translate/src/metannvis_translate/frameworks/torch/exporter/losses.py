"""Losses: cross entropies with shares of classes, and margins, where a distance that is no number does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number

__all__ = ["translations"]


def ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def reduced(loss: Any, reduction: int) -> Any:
    if reduction == 0:
        return loss
    return op.ReduceMean(loss, keepdims=0) if reduction == 1 else op.ReduceSum(loss, keepdims=0)


def smoothed_cross_entropy(x: Any, target: Any, weight: Any, reduction: int, ignored: int, smoothing: float) -> Any:
    """A cross entropy with a share of each class, or with some of the share of the class that is meant."""
    rank = len(x.shape)
    axis = 0 if rank == 1 else 1
    classes = x.shape[axis]
    along, line = op.Constant(value_ints=[axis]), [1] * rank
    line[axis] = classes
    logs = op.LogSoftmax(x, axis=axis)
    shared = logs if weight is None else op.Mul(logs, op.Reshape(weight, op.Constant(value_ints=line)))
    if target.dtype is not None and target.dtype.is_floating_point():
        share = target
        if smoothing:
            share = op.Add(op.Mul(share, number(1 - smoothing, x)), number(smoothing / classes, x))
        loss = op.Neg(op.ReduceSum(op.Mul(shared, share), along, keepdims=0))
        if reduction == 0:
            return loss
        total = op.ReduceSum(loss, keepdims=0)
        return total if reduction == 2 else op.ReduceMean(loss, keepdims=0)
    zero = number(0.0, x)
    left_out = op.Equal(target, op.CastLike(op.Constant(value_int=ignored), target))
    known = op.Where(left_out, op.CastLike(op.Constant(value_int=0), target), target)
    index = op.Unsqueeze(known, along)
    own = op.Where(left_out, zero, op.Neg(op.Squeeze(op.GatherElements(shared, index, axis=axis), along)))
    every = op.Where(left_out, zero, op.Neg(op.ReduceSum(shared, along, keepdims=0)))
    loss = op.Add(op.Mul(own, number(1 - smoothing, x)), op.Mul(every, number(smoothing / classes, x)))
    if reduction == 0:
        return loss
    total = op.ReduceSum(loss, keepdims=0)
    if reduction == 2:
        return total
    counted = number(1.0, x) if weight is None else op.Gather(weight, known, axis=0)
    return op.Div(total, op.ReduceSum(op.Where(left_out, zero, counted), keepdims=0))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def cross_entropy(  # type: ignore[no-untyped-def]
    self, target, weight=None, reduction: int = 1, ignore_index: int = -100, label_smoothing: float = 0.0
):
    from onnxscript.function_libs.torch_lib.ops.nn import aten_cross_entropy_loss

    if label_smoothing or (target.dtype is not None and target.dtype.is_floating_point()):
        return smoothed_cross_entropy(self, target, weight, reduction, ignore_index, label_smoothing)
    if len(self.shape) != 1:
        return aten_cross_entropy_loss(self, target, weight, reduction, ignore_index, 0.0)
    first = op.Constant(value_ints=[0])
    found = aten_cross_entropy_loss(
        op.Unsqueeze(self, first), op.Unsqueeze(target, first), weight, reduction, ignore_index, 0.0
    )
    return op.Squeeze(found, first) if reduction == 0 else found


def multi_margin_loss(  # type: ignore[no-untyped-def]
    self, target, p: float = 1, margin: float = 1, weight=None, reduction: int = 1
):
    classes = int(self.shape[-1]) if len(self.shape) else 1
    if not len(self.shape):
        self, own = op.Reshape(self, ints(-1)), op.Reshape(target, ints(-1))
    else:
        own = op.Unsqueeze(target, ints(-1)) if len(target.shape) == len(self.shape) - 1 else target
    apart = op.Add(op.Sub(number(float(margin), self), op.GatherElements(self, own, axis=-1)), self)
    zero = number(0.0, self)
    counts = op.And(op.Greater(apart, zero), op.Not(op.Equal(own, ints(*range(classes)))))
    apart = op.Where(counts, apart, zero)
    apart = op.Mul(apart, apart) if p == 2 else apart
    if weight is not None:
        apart = op.Mul(apart, op.Gather(weight, own, axis=0))
    return reduced(op.Div(op.ReduceSum(apart, ints(-1), keepdims=0), number(float(classes), self)), reduction)


def multilabel_margin_loss(self, target, reduction: int = 1):  # type: ignore[no-untyped-def]
    last, zero = ints(-1), number(0.0, self)
    classes = int(self.shape[-1]) if len(self.shape) else 1
    single = not len(self.shape)
    if single:
        self, target = op.Reshape(self, last), op.Reshape(target, last)
    # behind the first that is negative no label counts
    ended = op.CumSum(op.Cast(op.Less(target, ints(0)), to=7), op.Constant(value_int=-1))
    counts = op.Equal(ended, ints(0))
    labels = op.Where(counts, target, ints(0))
    meant = op.And(op.Equal(op.Unsqueeze(labels, last), ints(*range(classes))), op.Unsqueeze(counts, last))
    is_target = op.CastLike(op.ReduceMax(op.Cast(meant, to=7), ints(-2), keepdims=0), self)
    own = op.Unsqueeze(op.GatherElements(self, labels, axis=-1), last)
    apart = op.Add(op.Sub(number(1.0, self), own), op.Unsqueeze(self, ints(-2)))
    others = op.Unsqueeze(op.Equal(is_target, zero), ints(-2))
    counts = op.And(op.And(op.Greater(apart, zero), others), op.Unsqueeze(counts, last))
    total = op.ReduceSum(op.Where(counts, apart, zero), ints(-2, -1), keepdims=0)
    return reduced(op.Div(total, number(float(classes), self)), reduction), (
        op.Reshape(is_target, no_integers()) if single else is_target
    )


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.cross_entropy_loss.default: cross_entropy,
        aten.multi_margin_loss.default: multi_margin_loss,
        aten.multilabel_margin_loss_forward.default: multilabel_margin_loss,
    }
