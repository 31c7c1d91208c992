"""Renamed fields: a dataclass that still takes the names that its fields had before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["takes_older_names"]

T = TypeVar("T")


def takes_older_names(convert: Callable[[Any], Any] | None = None, /, **renamed: str) -> Callable[[type[T]], type[T]]:
    """Class decorator of a dataclass: its constructor, and so ``dataclasses.replace``, takes older keywords as well.

    Parameters
    ----------
    convert
        What is made of a value that comes under an older name.
    **renamed
        Older name of a field → its name.
    """

    def decorate(cls: type[T]) -> type[T]:
        init, older = cls.__init__, frozenset(renamed)

        @functools.wraps(init)
        def __init__(self: T, *values: Any, **fields: Any) -> None:  # noqa: N807  # it becomes the method of that name
            for old in () if older.isdisjoint(fields) else older.intersection(fields):
                value = fields.pop(old)
                fields[renamed[old]] = value if convert is None else convert(value)
            init(self, *values, **fields)

        cls.__init__ = __init__  # type: ignore[assignment]
        return cls

    return decorate
