"""Segments: reductions of parts of an axis that lie one behind the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import no_integers, number

__all__ = ["translations"]


def ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def segment_reduce(  # type: ignore[no-untyped-def]
    data, reduce: str, lengths=None, indices=None, offsets=None, axis: int = 0, unsafe: bool = False,
    initial: float | None = None,
):  # fmt: skip
    size, rank = data.shape[axis], len(data.shape)
    if indices is not None or not isinstance(size, int):
        raise NotImplementedError("segments of an axis of free size, or by indices")
    last = ints(axis)
    if lengths is not None:
        ends = op.CumSum(lengths, op.Constant(value_int=axis))
        begins = op.Sub(ends, lengths)
    else:
        count = int(offsets.shape[axis])
        begins = op.Slice(offsets, ints(0), ints(count - 1), last)
        ends = op.Slice(offsets, ints(1), ints(count), last)
    places = ints(*range(size)) if size else no_integers()
    behind = ints(axis + 1)
    begins, ends = op.Unsqueeze(begins, behind), op.Unsqueeze(ends, behind)
    inside = op.And(op.GreaterOrEqual(places, begins), op.Less(places, ends))
    if rank > axis + 1:
        inside = op.Unsqueeze(inside, ints(*range(axis + 2, rank + 1)))
    neutral = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}[reduce]
    entries = op.Where(inside, op.Unsqueeze(data, last), number(neutral, data))
    combine = {"max": op.ReduceMax, "min": op.ReduceMin, "prod": op.ReduceProd}.get(reduce, op.ReduceSum)
    found = combine(entries, behind, keepdims=0)
    if initial is not None:
        first = number(float(initial), data)
        if reduce in ("max", "min"):
            beyond = op.Less(found, first) if reduce == "max" else op.Greater(found, first)
            found = op.Where(beyond, first, found)
        else:
            found = op.Mul(found, first) if reduce == "prod" else op.Add(found, first)
    if reduce != "mean":
        return found
    members = op.CastLike(op.Sub(ends, begins), data)
    if rank > axis + 1:
        members = op.Reshape(members, op.Concat(op.Shape(members), ints(*[1] * (rank - axis - 2)), axis=0))
    else:
        members = op.Squeeze(members, behind)
    # the mean of none is what it begins with, or no number
    return op.Div(found, members if initial is None else op.Max(members, number(1.0, data)))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    return {torch.ops.aten.segment_reduce.default: segment_reduce}
