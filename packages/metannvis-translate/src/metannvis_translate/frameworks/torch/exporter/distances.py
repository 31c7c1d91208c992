"""Distances of points: norms of their differences, whose derivative is zero where two points are equal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number, stop

__all__ = ["translations"]


def norm(apart: Any, p: float) -> Any:
    """The norm of differences along their last axis."""
    zero, one = number(0.0, apart), number(1.0, apart)
    if p == 0:
        count = op.ReduceSum(op.Where(op.Equal(apart, zero), zero, one), [-1], keepdims=0)
        return stop(count)
    if p == math.inf:
        # each of several largest differences has the whole derivative
        largest = stop(op.ReduceMax(op.Abs(apart), [-1], keepdims=1))
        slopes = stop(op.Where(op.Equal(op.Abs(apart), largest), op.Sign(apart), op.Sub(apart, apart)))
        moves = op.ReduceSum(op.Mul(op.Sub(apart, stop(apart)), slopes), [-1], keepdims=0)
        return op.Add(op.Squeeze(largest, [-1]), moves)
    if p == 1:
        return op.ReduceSum(op.Abs(apart), [-1], keepdims=0)
    if p == 2:
        powers = op.Mul(apart, apart)
    elif p > 1:
        powers = op.Pow(op.Abs(apart), number(p, apart))
    else:  # the power's derivative at zero is infinite
        none = op.Equal(apart, zero)
        powers = op.Where(none, zero, op.Pow(op.Where(none, one, op.Abs(apart)), number(p, apart)))
    total = op.ReduceSum(powers, [-1], keepdims=0)
    # equal points: PyTorch's derivative is zero there, and no infinite one is multiplied by it
    equal = op.Equal(total, zero)
    total = op.Where(equal, one, total)
    root = op.Sqrt(total) if p == 2 else op.Pow(total, number(1 / p, apart))
    return op.Where(equal, zero, root)


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def cdist(x1, x2, p: float, compute_mode: int | None = None):  # type: ignore[no-untyped-def]
    return norm(op.Sub(op.Unsqueeze(x1, [-2]), op.Unsqueeze(x2, [-3])), p)


def pdist(self, p: float = 2.0):  # type: ignore[no-untyped-def]
    count = self.shape[0]
    if not isinstance(count, int):
        raise NotImplementedError("distances within a set of points of free size")
    pairs = [(k, j) for k in range(count) for j in range(k + 1, count)]
    if not pairs:
        first = second = no_integers()
    else:
        first, second = (op.Constant(value_ints=[pair[k] for pair in pairs]) for k in range(2))
    return norm(op.Sub(op.Gather(self, first, axis=0), op.Gather(self, second, axis=0)), p)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten._cdist_forward.default: cdist,
        aten._pdist_forward.default: pdist,
    }
