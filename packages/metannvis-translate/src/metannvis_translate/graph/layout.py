"""Layout: permutations of axes.

A value in the hub graph has *logical* axes, those that ONNX gives it. The tensor that stands for it in
a target model may lie differently: channels last in Keras, channels first in PyTorch. ``order`` says
how: axis ``k`` of the tensor is logical axis ``order[k]``. Importers carry a :class:`LaidOut` a value and
move axes only where an operator's meaning depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from metannvis_translate.errors import InvalidArgumentError

__all__ = [
    "LaidOut",
    "Order",
    "broadcast_order",
    "channels_first",
    "channels_last",
    "compose",
    "identity",
    "inverse",
    "is_identity",
    "is_reshape",
    "kept_axes",
    "physical_axis",
    "transpose",
]

Order = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class LaidOut:
    """A tensor of the target model and how it lies: its axis ``k`` is logical axis ``order[k]``."""

    tensor: Any
    order: Order

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.order)

    def axis(self, logical: int) -> int:
        """Where a logical axis (negative counts from the end) lies in the tensor."""
        return physical_axis(self.order, logical)

    def arrange(self, logical: Sequence[T]) -> tuple[T, ...]:
        """A sequence with one entry a logical axis, in the tensor's own order."""
        return tuple(logical[axis] for axis in self.order)


def identity(rank: int) -> Order:
    """The order in which nothing is moved."""
    return tuple(range(rank))


def is_identity(order: Sequence[int]) -> bool:
    """Whether an order moves nothing."""
    return tuple(order) == tuple(range(len(order)))


def inverse(order: Sequence[int]) -> Order:
    """The transposition that undoes another."""
    return tuple(int(k) for k in np.argsort(order))


def compose(first: Sequence[int], then: Sequence[int]) -> Order:
    """The transposition that does ``first`` and ``then`` the other, in NumPy's convention."""
    return tuple(first[k] for k in then)


def channels_last(rank: int) -> Order:
    """Order of a tensor whose logical axes are (N, C, *spatial) and that lies as (N, *spatial, C)."""
    return (0, *range(2, rank), 1) if rank > 2 else identity(rank)


def channels_first(rank: int) -> Order:
    """Order of a tensor whose logical axes are (N, *spatial, C) and that lies as (N, C, *spatial)."""
    return inverse(channels_last(rank))


def physical_axis(order: Sequence[int], logical: int) -> int:
    """Where a logical axis (negative counts from the end) lies in a tensor of that order."""
    rank = len(order)
    if not -rank <= logical < rank:
        raise InvalidArgumentError(f"axis {logical} is out of range for a value of {rank} axes")
    return tuple(order).index(logical % rank)


def transpose(current: Sequence[int], wanted: Sequence[int]) -> Order | None:
    """``perm`` that brings a tensor from one order to another, ``None`` if it lies right already."""
    if tuple(current) == tuple(wanted):
        return None
    return tuple(tuple(current).index(axis) for axis in wanted)


def is_reshape(perm: Sequence[int], shape: Sequence[int | None]) -> bool:
    """Whether transposing a tensor of that shape leaves its elements in the same sequence.

    True when the axes longer than one keep their order: then a reshape does the same.
    """
    long = [axis for axis in perm if shape[axis] != 1]
    return long == sorted(long)


def kept_axes(order: Sequence[int], removed: Sequence[int]) -> Order:
    """Order that is left when logical axes are removed (a reduction without ``keepdims``)."""
    rank = len(order)
    gone = {axis % rank for axis in removed}
    left = [axis for axis in range(rank) if axis not in gone]
    return tuple(left.index(axis) for axis in order if axis not in gone)


def broadcast_order(order: Sequence[int], rank: int) -> Order:
    """Order, cut to the last ``rank`` logical axes: how a smaller operand has to lie to broadcast.

    An operand of lower rank is aligned with the last logical axes, as NumPy and ONNX do.
    """
    offset = len(order) - rank
    return tuple(axis - offset for axis in order if axis >= offset)
