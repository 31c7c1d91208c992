"""Dicts as they were: what stood in the many dicts of a model, compared as a whole, one by one only where something differs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["KeptDicts", "stand"]

_KEYS: Callable[[Any], Any] = operator.methodcaller("keys")
_VALUES: Callable[[Any], Any] = operator.methodcaller("values")
#: What stands at no key.
_NOTHING = object()


class KeptDicts:
    """What stood in dicts.

    A network has hundreds of modules with two dozen attributes each. All their names, and all their values, are two lists,
    which are made and compared in a fraction of the time that so many copies of dicts would take.

    Attributes
    ----------
    dicts
        The dicts, in their order.
    keys, values
        Of all of them, one behind the other.
    """

    __slots__ = ("_sizes", "dicts", "keys", "values")

    def __init__(self, dicts: Sequence[dict[Any, Any]]) -> None:
        self.dicts = dicts
        self.keys: list[Any] = _all_of(dicts, _KEYS)
        self.values: list[Any] = _all_of(dicts, _VALUES)
        self._sizes = list(map(len, dicts))

    def contents(self) -> Iterator[tuple[dict[Any, Any], dict[Any, Any]]]:
        """Each dict, with what stood in it."""
        start = 0
        for held, size in zip(self.dicts, self._sizes, strict=True):
            end = start + size
            yield held, dict(zip(self.keys[start:end], self.values[start:end], strict=True))
            start = end

    def changed(self) -> Iterator[tuple[dict[Any, Any], dict[Any, Any]]]:
        """Those in which something else stands now, or in another order, with what stood in them."""
        if self._are_as_they_were():
            return
        for held, before in self.contents():
            same = len(held) == len(before) and all(map(operator.is_, before.values(), held.values()))
            if not same or list(held) != list(before):
                yield held, before

    def put_back(self, ignored: Collection[str] = ()) -> None:
        """Put back what stood in them; without a look at the ignored keys, whatever stands there."""
        for held, before in self.changed():
            if ignored:
                stand(held, before, ignored)
            else:
                held.clear()
                held.update(before)

    def _are_as_they_were(self) -> bool:
        return (
            self._sizes == list(map(len, self.dicts))
            and all(map(operator.is_, self.values, itertools.chain.from_iterable(map(_VALUES, self.dicts))))
            and self.keys == _all_of(self.dicts, _KEYS)
        )


def _all_of(dicts: Sequence[Mapping[Any, Any]], part: Callable[[Any], Any]) -> list[Any]:
    return list(itertools.chain.from_iterable(map(part, dicts)))


def stand(held: dict[Any, Any], before: dict[Any, Any], ignored: Collection[str] = ()) -> None:
    """Put back what stood in a dict, but for what is ignored."""
    for key in held.keys() - before.keys() - set(ignored):
        del held[key]
    for key, value in before.items():
        if held.get(key, _NOTHING) is not value and key not in ignored:
            held[key] = value
