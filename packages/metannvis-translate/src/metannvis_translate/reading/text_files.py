"""Text and JSON files that others made: of bounded length and depth, and refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metannvis_translate.errors import DamagedFileError
from metannvis_translate.process.limits import check_limit

__all__ = ["parse_json", "read_text"]


def read_text(path: Path) -> str:
    """A file of UTF-8, with or without a byte order mark.

    Raises
    ------
    DamagedFileError
        It is something else.
    LimitError
        It is longer than the limit ``text_bytes``.
    """
    check_limit("text_bytes", path.stat().st_size, f"{path.name} has bytes:")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"{path.name} is no text in UTF-8: {error}") from error


def parse_json(text: str, name: str) -> Any:
    """A JSON text.

    Raises
    ------
    DamagedFileError
        It is none, or is nested deeper than Python reads.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{name} cannot be read as JSON: {str(error)[:300]}") from error
