"""Renamed fields: a dataclass that still takes the names that its fields had before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["takes_older_names"]

T = TypeVar("T")


def takes_older_names(**renamed: str) -> Callable[[type[T]], type[T]]:
    """Class decorator of a dataclass: its constructor, and so ``dataclasses.replace``, takes older keywords as well.

    Parameters
    ----------
    **renamed
        Older name of a field → its name.
    """

    def decorate(cls: type[T]) -> type[T]:
        init, older = cls.__init__, frozenset(renamed)

        @functools.wraps(init)
        def __init__(self: T, *values: Any, **fields: Any) -> None:  # noqa: N807  # it becomes the method of that name
            for old in () if older.isdisjoint(fields) else older.intersection(fields):
                fields[renamed[old]] = fields.pop(old)
            init(self, *values, **fields)

        cls.__init__ = __init__  # type: ignore[assignment]
        return cls

    return decorate
