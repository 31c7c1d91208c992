"""Wording of messages: what those who call the readers call their arguments."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARGUMENTS", "Wording"]


@dataclass(frozen=True)
class Wording:
    """How messages name what the caller has passed; a command line passes the names of its options.

    Attributes
    ----------
    name_files
        What to do where a model has several inputs, as the beginning of a sentence.
    scale
        The preprocessing, with ``{}`` in place of its name.
    records
        What else than a name a preprocessing may be, as the end of a list.
    """

    name_files: str = "Name the input of each file, 'NAME=FILE'"
    scale: str = "scale={!r}"
    records: str = "a Preprocessing, a dict of its fields, or a .json file that holds one"


#: The words of a caller in Python.
ARGUMENTS = Wording()
