"""Selections of a file's samples or arrays: ``digits.npy[0:10]``, ``data.npz[test]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError

__all__ = ["Selection", "selected"]

Array = np.ndarray[Any, Any]
_BRACKETS = re.compile(r"(.+)\[([^\[\]]+)\]")
_SLICE = re.compile(r"(-?\d*):(-?\d*)|(-?\d+)")


@dataclass(frozen=True)
class Selection:
    """A file, and what of it.

    Attributes
    ----------
    path
        Of the file.
    array
        Name of an array in it.
    samples
        Which samples.
    text
        As it was typed, without the file; empty if all of it is meant.
    """

    path: Path
    array: str | None = None
    samples: slice | None = None
    text: str = ""

    def of(self, values: Array) -> Array:
        """The samples of an array.

        Raises
        ------
        InvalidArgumentError
            There are none of them.
        """
        if self.samples is None:
            return values
        found = values[self.samples] if values.ndim else values
        if not len(found):
            count = f"{len(values)} sample{'' if len(values) == 1 else 's'}"
            raise InvalidArgumentError(f"{self.path.name} has {count}, none of them in [{self.text}]")
        return found


def selected(text: str) -> Selection:
    """A file's name, with what of it in brackets behind it: ``[3]``, ``[0:10]``, or ``[name]`` of an ``.npz``."""
    path = Path(text)
    brackets = None if path.exists() else _BRACKETS.fullmatch(text)
    if brackets is None or not Path(brackets[1]).is_file():
        return Selection(path)
    path, inside = Path(brackets[1]), brackets[2]
    numbers = _SLICE.fullmatch(inside)
    if numbers is None:
        return Selection(path, array=inside, text=inside)
    if numbers[3] is not None:
        first = int(numbers[3])
        return Selection(path, samples=slice(first, first + 1 or None), text=inside)
    first_, last = (int(part) if part else None for part in numbers.groups()[:2])
    return Selection(path, samples=slice(first_, last), text=inside)
