"""Labels: names of classes, from a file."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path
from typing import Any

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.reading import parse_json, read_text

__all__ = ["read_labels"]

#: Columns of a table that hold names and indices, the likeliest first.
NAMES = ("name", "label", "class_name", "class", "category", "title")
INDICES = ("index", "id", "class_id", "class_index", "idx", "number")


def read_labels(path: Path) -> tuple[str, ...]:
    """Names of the classes from a file in UTF-8, in the order of their indices.

    Parameters
    ----------
    path
        A name a line, where empty lines at the end do not count; a JSON list; a JSON object (or a dict as Python writes it)
        from indices to names, or to lists that end in the name, as in ImageNet's ``imagenet_class_index.json``, or from names
        to indices; or, ending in ``.csv`` or ``.tsv``, a table with a column of names and, if it has one, of indices.

    Raises
    ------
    InvalidArgumentError
        The file is none of these, holds no name, lacks one between others, or is longer than the limit ``text_bytes``.
    OSError
        It cannot be opened.
    """
    try:
        text = read_text(path).removeprefix("\ufeff")
        if path.suffix.lower() in (".csv", ".tsv"):
            names = _of_table(text, "\t" if path.suffix.lower() == ".tsv" else ",")
        elif text.lstrip().startswith("["):
            names = parse_json(text, path.name)
            if not all(isinstance(name, str) for name in names):
                raise ValueError("its entries are not all text")
        elif text.lstrip().startswith("{"):
            names = _of_dict(_dict(text, path.name))
        else:
            names = [line.strip() for line in text.rstrip().splitlines()]
    except ValueError as error:  # not UTF-8, not JSON, too long
        raise InvalidArgumentError(f"{path} holds no list of names: {error}") from error
    if not names:
        raise InvalidArgumentError(f"{path} is empty")
    return tuple(names)


def _dict(text: str, name: str) -> dict[Any, Any]:
    """A JSON object, or a dict as Python writes it: literals, of which none is run."""
    try:
        found = parse_json(text, name)
    except ValueError:
        try:
            found = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError("it begins as an object, but is neither JSON nor a dict of literals") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object from indices to names")
    return found


def _of_dict(found: dict[Any, Any]) -> list[str]:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in found.values()):
        found = {index: name for name, index in found.items()}
    named: dict[int, str] = {}
    for key, value in found.items():
        try:
            index = int(key)
        except (TypeError, ValueError):
            raise ValueError(f"{key!r} is no index") from None
        name = value[-1] if isinstance(value, (list, tuple)) and value else value
        if not isinstance(name, str):
            raise ValueError(f"the name of {index} is {name!r}, no text")
        named[index] = name
    return _in_order(named)


def _in_order(named: dict[int, str]) -> list[str]:
    missing = [index for index in range(len(named)) if index not in named]
    if missing:
        raise ValueError(f"it has {len(named)} names, but none of index {missing[0]}")
    return [named[index] for index in range(len(named))]


def _of_table(text: str, comma: str) -> list[str]:
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=comma) if any(cell.strip() for cell in row)]
    if not rows:
        return []
    head = [cell.strip().lower() for cell in rows[0]]
    names = [head.index(word) for word in NAMES if word in head]
    indices = [head.index(word) for word in INDICES if word in head]
    if not names and not indices:  # no head: columns of whole numbers are indices, the last other one holds the names
        whole = [k for k in range(len(head)) if all(len(row) > k and row[k].strip().isdigit() for row in rows)]
        names, indices = [k for k in range(len(head)) if k not in whole][-1:], whole[:1]
    else:
        rows = rows[1:]
        names = names or [k for k in range(len(head)) if k not in indices][-1:]
    if not names:
        raise ValueError("its table has no column of names")
    if any(len(row) <= max([names[0], *indices[:1]]) for row in rows):
        raise ValueError("a row of its table is too short")
    if not indices:
        return [row[names[0]].strip() for row in rows]
    try:
        named = {int(row[indices[0]]): row[names[0]].strip() for row in rows}
    except ValueError:
        raise ValueError(f"its column {head[indices[0]]!r} holds something that is no index") from None
    if len(named) < len(rows):
        raise ValueError("an index stands in two rows of its table")
    return _in_order(named)
