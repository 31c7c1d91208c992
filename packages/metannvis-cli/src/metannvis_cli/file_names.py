"""Names of output files: what several results and their inputs are called, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["distinct", "names_of_files", "plain"]

#: Letters of a part of a name: file systems take 255 bytes for the whole of it.
LONGEST = 48


def plain(name: str) -> str:
    """A name as part of a file's: letters, digits and ``._-``; of one that is long the beginning and the end."""
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
    return kept if len(kept) <= LONGEST else f"{kept[: LONGEST // 2 - 1]}..{kept[-(LONGEST // 2 - 1) :]}"


def distinct(names: Sequence[str]) -> list[str]:
    """Names as parts of files', numbered where two became alike; case does not count, since file systems differ in that."""
    made: list[str] = []
    taken: set[str] = set()
    for name in map(plain, names):
        number, new = 1, name
        while new.casefold() in taken:
            number += 1
            new = f"{name}-{number}"
        taken.add(new.casefold())
        made.append(new)
    return made


def names_of_files(files: Sequence[str]) -> list[str]:
    """What files are called without their folders and endings, with as much of these as keeps them apart."""
    paths = [Path(file) for file in files]
    names = [path.stem for path in paths]
    longest = max((len(path.parts) for path in paths), default=0)
    for depth in range(1, longest + 1):
        alike = Counter(name.casefold() for name in names)
        names = [
            name if alike[name.casefold()] == 1 else "_".join(path.parts[-depth:])
            for name, path in zip(names, paths, strict=True)
        ]
    return names
