"""Tables for spreadsheets: CSV text whose cells are no formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from metannvis_translate.writing import replacing

__all__ = ["csv_text", "write_csv"]

#: What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lines of cells; numbers as Python writes them, NaN and ``None`` empty, and text that begins a formula behind a quote."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def write_csv(text: str, path: str | PathLike[str] | None, *, overwrite: bool) -> str:
    """The text, which is also written to a path if there is one.

    Raises
    ------
    InvalidArgumentError
        The file exists and ``overwrite`` is off.
    WriteError
        It cannot be written.
    """
    if path is not None:
        with replacing(path, overwrite=overwrite) as new:
            new.write_text(text, encoding="utf-8", newline="")
    return text


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else repr(float(value))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
