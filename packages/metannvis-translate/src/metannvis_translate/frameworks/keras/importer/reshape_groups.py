"""Reshaping without transposing: which axes are split or joined, and which stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_translate.graph.layout import Order
from metannvis_translate.graph.size_expressions import quotient

__all__ = ["groups", "orders"]

Groups = list[tuple[list[int], list[int]]]


def groups(have: Sequence[Any], wanted: Sequence[Any]) -> Groups | None:
    """Runs of axes of one shape and the runs of the other that hold the same elements, as short as they can be.

    Sizes are numbers or ``sympy`` expressions. ``None`` if it cannot be told.
    """
    found: Groups = []
    i = j = 0
    while i < len(have) and j < len(wanted):
        first_i, first_j = i, j
        left, right = have[i], wanted[j]
        i, j = i + 1, j + 1
        while (ratio := quotient(left, right)) != 1:
            if ratio is None:
                return None
            over, under = ratio.as_numer_denom()
            grow_right = bool(under.is_Number) and (not over.is_Number or over > under)
            if not under.is_Number and not over.is_Number:
                return None
            if grow_right:
                if j == len(wanted):
                    return None
                right, j = right * wanted[j], j + 1
            else:
                if i == len(have):
                    return None
                left, i = left * have[i], i + 1
        found.append((list(range(first_i, i)), list(range(first_j, j))))
    rest = list(range(i, len(have))), list(range(j, len(wanted)))
    if any(have[k] != 1 for k in rest[0]) or any(wanted[k] != 1 for k in rest[1]):
        return None
    if not found:
        return [rest] if rest[0] or rest[1] else []
    found[-1][0].extend(rest[0])
    found[-1][1].extend(rest[1])
    return found


def orders(found: Groups, order: Order) -> tuple[Order, Order]:
    """How the tensor has to lie before, groups whole and in themselves in sequence, and how it lies afterwards."""
    by_place = sorted(found, key=lambda group: min((order.index(axis) for axis in group[0]), default=len(order)))
    before = tuple(axis for axes, _ in by_place for axis in axes)
    after = tuple(axis for _, axes in by_place for axis in axes)
    return before, after
