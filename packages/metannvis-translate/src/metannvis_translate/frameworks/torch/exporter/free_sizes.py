"""Free sizes: what a model's own code is given for the batch size while its calls are recorded, and what it makes of it.

A number that stands for every size at once: it is computed with at many sizes side by side. A question that not all of them
answer the same cannot be asked of it, nor can it become a Python number.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

from metannvis_translate.frameworks.torch.exporter.size_branches import SIZES, SizeBranchError
from metannvis_translate.graph.stack_trace import line_of_frame

__all__ = ["PRIME", "FreeSize", "place_of", "sizes_of"]

#: A size that no model's own sizes come near: a multiple of it is told from a size that is fixed.
PRIME = 134_217_689
#: The sizes that are computed with.
ALL = (*SIZES, PRIME)


def place_of(size: int) -> int:
    """Where a size stands among those that are computed with."""
    return ALL.index(size)


def sizes_of(factor: int, offset: int) -> tuple[int, ...]:
    """``factor`` times the batch size plus ``offset``, at every size."""
    return tuple(factor * size + offset for size in ALL)


class FreeSize:
    """The node of a :class:`torch.SymInt`, ``SymFloat`` or ``SymBool``: a number at each of the sizes.

    Parameters
    ----------
    values
        The numbers.
    place
        Which of them is the one that the trace under way computes with.
    """

    constant = None

    def __init__(self, values: tuple[Any, ...], place: int) -> None:
        self.values = values
        self.place = place

    def now(self) -> Any:
        """The number of the trace under way."""
        return self.values[self.place]

    def settled(self) -> Any:
        """The number, if it is the same for every size."""
        first = self.values[0]
        if any(value != first for value in self.values):
            where = line_of_frame(sys._getframe(1))
            raise SizeBranchError(
                f"the model decides by a size that is free, or makes a Python number of it{f': {where}' if where else ''}"
            )
        return first

    # What PyTorch asks of a node.
    def is_int(self) -> bool:
        return type(self.values[0]) is int

    def is_float(self) -> bool:
        return type(self.values[0]) is float

    def is_bool(self) -> bool:
        return type(self.values[0]) is bool

    def is_constant(self) -> bool:
        return False

    def is_nested_int(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def maybe_as_int(self) -> int | None:
        return None

    def wrap_int(self, number: int) -> FreeSize:
        return FreeSize((number,) * len(self.values), self.place)

    wrap_float = wrap_bool = wrap_int

    def _number(self, *_: Any) -> Any:
        return self.settled()

    int_ = bool_ = float_ = guard_int = guard_bool = guard_float = expect_true = guard_size_oblivious = _number

    def __str__(self) -> str:
        return "batch"

    _graph_repr = __str__

    def _each(self, function: Callable[..., Any], *others: FreeSize) -> FreeSize:
        rows = zip(self.values, *(other.values for other in others), strict=True)
        return FreeSize(tuple(function(*row) for row in rows), self.place)


def _method(function: Callable[..., Any]) -> Any:
    def compute(self: FreeSize, *others: FreeSize) -> FreeSize:
        return self._each(function, *others)

    return compute


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv, "mod": operator.mod,
    "int_floordiv": operator.floordiv, "truediv": operator.truediv, "int_truediv": operator.truediv, "neg": operator.neg,
    "pos": operator.pos, "abs": abs, "pow": operator.pow, "pow_by_natural": operator.pow, "eq": operator.eq, "ne": operator.ne,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "sym_max": max, "sym_min": min,
    "sym_float": float, "sym_not": operator.not_, "and_": operator.and_, "or_": operator.or_, "sym_and": operator.and_,
    "sym_or": operator.or_, "is_non_overlapping_and_dense": lambda *_: True,
}  # fmt: skip
for _name, _function in _OPERATIONS.items():
    setattr(FreeSize, _name, _method(_function))
