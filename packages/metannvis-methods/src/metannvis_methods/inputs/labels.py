"""Labels: names of classes, from a file."""

from __future__ import annotations

from pathlib import Path

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.reading import parse_json, read_text

__all__ = ["read_labels"]


def read_labels(path: Path) -> tuple[str, ...]:
    """Names of the classes from a file in UTF-8, in the order of their indices.

    Parameters
    ----------
    path
        A name a line, where empty lines at the end do not count; or a JSON list.

    Raises
    ------
    InvalidArgumentError
        The file is neither, holds no name, or is longer than the limit ``text_bytes``.
    OSError
        It cannot be opened.
    """
    try:
        text = read_text(path)
        if text.lstrip().startswith("["):
            names = parse_json(text, path.name)
            if not all(isinstance(name, str) for name in names):
                raise ValueError("its entries are not all text")
        else:
            names = [line.strip() for line in text.rstrip().splitlines()]
    except ValueError as error:  # not UTF-8, not JSON, too long
        raise InvalidArgumentError(f"{path} holds no list of names: {error}") from error
    if not names:
        raise InvalidArgumentError(f"{path} is empty")
    return tuple(names)
