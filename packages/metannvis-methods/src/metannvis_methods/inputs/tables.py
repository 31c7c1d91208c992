"""Tables of numbers from files: ``.csv`` and ``.tsv``, with the names of their columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.reading import read_text

__all__ = ["SUFFIXES", "read_table"]

Array = np.ndarray[Any, Any]
SUFFIXES = (".csv", ".tsv")


def read_table(
    path: Path, features: int | None, note: Callable[[str], None] = lambda text: None
) -> tuple[Array, tuple[str, ...]]:
    """The numbers of a table, a row a sample, and the names of its columns.

    Parameters
    ----------
    path
        Of comma-separated values, in UTF-8. A first line that holds no number names the columns.
    features
        How many columns are wanted; ``None``: any. Columns of text, and one of row numbers without a name, are left out if the
        others are as many.
    note
        Told what was left out.

    Returns
    -------
    array
        Shape ``(rows, columns)``, float32.
    names
        Empty if the first line holds numbers.

    Raises
    ------
    InvalidArgumentError
        A row is longer or shorter than the others, a cell is no number, there is no row, or there are not so many columns.
    DamagedFileError, LimitError
        It is no text, or too long.
    """
    text = read_text(path)
    rows = [
        (line, [cell.strip() for cell in row])
        for line, row in enumerate(
            csv.reader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ","), 1
        )
        if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise InvalidArgumentError(f"{path.name} is empty")
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise InvalidArgumentError(
                f"{path.name}, line {line}, has {len(row)} cells, and line {rows[0][0]} has {width}"
            )
    names = () if any(_is_number(cell) for cell in rows[0][1]) else tuple(rows[0][1])
    rows = rows[1:] if names else rows
    if not rows:
        raise InvalidArgumentError(f"{path.name} has names of columns and no row of numbers")
    kept = _columns(path, rows, names, width, features, note)
    values = np.array([[_number(path, line, row[k], names, k) for k in kept] for line, row in rows], np.float32)
    return values, tuple(names[k] for k in kept) if names else ()


def _columns(
    path: Path,
    rows: list[tuple[int, list[str]]],
    names: tuple[str, ...],
    width: int,
    features: int | None,
    note: Callable[[str], None],
) -> list[int]:
    """Places of the columns that are features."""
    kept = list(range(width))
    if features is None or features == width:
        return kept
    text = [k for k in kept if not any(_is_number(row[k]) for _, row in rows)]
    left_out = text if width - len(text) == features else [*text, *(k for k in kept if names and not names[k])]
    if width - len(left_out) != features:
        raise InvalidArgumentError(
            f"{path.name} has {width} columns{f', {len(text)} of them text' if text else ''}, and the model takes {features} "
            "features"
        )
    shown = ", ".join(repr(names[k]) if names and names[k] else str(k + 1) for k in left_out)
    note(f"{path.name}: left out, being no numbers of the model's: column {shown}")
    return [k for k in kept if k not in left_out]


def _number(path: Path, line: int, cell: str, names: tuple[str, ...], column: int) -> float:
    if not _is_number(cell):
        where = f"column {names[column]!r}" if names else f"column {column + 1}"
        what = repr(cell) if cell else "nothing"
        raise InvalidArgumentError(f"{path.name}, line {line}, {where}, holds {what}, which is no number")
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
