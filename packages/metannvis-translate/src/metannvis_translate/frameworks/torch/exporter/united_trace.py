"""Two traces of a model as one for every batch size: what differs has to be a multiple of it and a constant."""

from __future__ import annotations

from typing import Any

from metannvis_translate.frameworks.torch.exporter.free_sizes import PRIME
from metannvis_translate.frameworks.torch.exporter.traced_calls import Size, Trace, TracedValue, TraceError

__all__ = ["united"]


def united(large: Trace, small: Trace, batch: int) -> Trace:
    """The trace for every batch size, from that for the prime one and that for another."""
    known: dict[TracedValue, TracedValue] = dict(zip(small.inputs, large.inputs, strict=True))
    if len(large.calls) != len(small.calls):
        raise TraceError("the model makes other calls for another batch size")

    def one(a: Any, b: Any) -> Any:
        if isinstance(a, TracedValue) and isinstance(b, TracedValue):
            if known.setdefault(b, a) is not a or not _is_the_same(a, b):
                raise TraceError("the model computes with other tensors for another batch size")
            return a
        if type(a) is not type(b):
            raise TraceError("the model calls an operator otherwise for another batch size")
        if isinstance(a, list):
            if len(a) != len(b):
                raise TraceError("the model calls an operator otherwise for another batch size")
            return [one(x, y) for x, y in zip(a, b, strict=True)]
        if a == b or (a != a and b != b):
            return a
        if type(a) is int:
            factor, rest = divmod(a - b, PRIME - batch)
            offset = b - factor * batch
            if rest == 0 and abs(offset) < PRIME // 2 and abs(factor) < PRIME // 2:
                return Size(factor, offset)
        raise TraceError(f"a number depends on the batch size in another way than as a multiple of it: {b}")

    for first, second in zip(large.calls, small.calls, strict=True):
        if first.operator is not second.operator or first.kwargs.keys() != second.kwargs.keys():
            raise TraceError("the model makes other calls for another batch size")
        first.args = tuple(one(list(first.args), list(second.args)))
        first.kwargs = {key: one(value, second.kwargs[key]) for key, value in first.kwargs.items()}
        one(first.result, second.result)
    one(large.outputs, small.outputs)
    return large


def _is_the_same(a: TracedValue, b: TracedValue) -> bool:
    import torch

    if a.tensor is None or b.tensor is None:
        return a.tensor is b.tensor
    return a.tensor is b.tensor or (a.dtype == b.dtype and torch.equal(a.tensor, b.tensor))
