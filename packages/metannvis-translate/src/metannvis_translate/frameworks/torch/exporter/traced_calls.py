"""The record of a trace: the calls of operators, and what stands for the tensors and sizes that they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Call", "ModelChangedError", "Size", "Trace", "TraceError", "TracedValue", "numbers_in", "values_in"]


@dataclass(frozen=True)
class Size:
    """``factor`` times the batch size plus ``offset``; the factor is not zero."""

    factor: int
    offset: int


@dataclass(eq=False)
class TracedValue:
    """A tensor that a call returned, an input, or a tensor of the model."""

    dtype: torch.dtype
    shape: tuple[int | Size, ...]
    #: the tensor itself where the model holds it
    tensor: torch.Tensor | None = None


@dataclass
class Call:
    """A call of an operator; a value stands where a tensor stood."""

    operator: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: what it returned: a value, a sequence of them, or something else
    result: Any
    #: path of the innermost module, and the line of the user's that runs
    layer: str
    line: tuple[str, int, str] | None


@dataclass
class Trace:
    """What a model does."""

    inputs: list[TracedValue]
    calls: list[Call] = field(default_factory=list)
    outputs: list[TracedValue] = field(default_factory=list)


def values_in(item: Any) -> list[TracedValue]:
    """The values in what a call is given or returned."""
    if isinstance(item, TracedValue):
        return [item]
    return [value for entry in item for value in values_in(entry)] if isinstance(item, (list, tuple)) else []


def numbers_in(item: Any) -> list[float]:
    """The numbers with a point in what a call is given."""
    if isinstance(item, float):
        return [item]
    return [number for entry in item for number in numbers_in(entry)] if isinstance(item, (list, tuple)) else []


class TraceError(NotImplementedError):
    """The model does something that is not recorded."""


class ModelChangedError(TraceError):
    """The model changes a tensor that it keeps, in place."""
