"""Broden: labelled images in the form of network dissection's data set (Bau et al., 2017, arXiv:1704.05796).

A folder with ``index.csv`` (``image, split, ih, iw, sh, sw`` and a column a category), ``label.csv`` (``number, name,
category`` and more), and ``images/``. A cell of a category holds names of PNG files, whose pixels are ``red + 256 · green`` the
number of a label (0: none), or numbers of labels of the image as a whole; several are parted by ``;``, an empty cell means
that the image is not labelled for the category.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import DamagedFileError
from metannvis_translate.reading import read_text

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra

__all__ = ["Broden", "read_broden"]

Array = np.ndarray[Any, Any]
#: Columns of the index that are no categories.
OWN = ("image", "split", "ih", "iw", "sh", "sw")
FOLDER = "images"


@dataclass(frozen=True)
class Broden:
    """A labelled set of images: :class:`~metannvis_methods.ImageConcepts`, and the images.

    Attributes
    ----------
    folder
        That images and masks lie in.
    images
        Files, in the order of the index.
    names, categories
        Of the concepts. A name that several categories have stands with its category behind it.
    cells
        What the index says of each image, by category.
    numbers
        Place of a concept by the number of a label and its category.
    """

    folder: Path
    images: tuple[Path, ...]
    names: tuple[str, ...]
    categories: tuple[str, ...]
    cells: tuple[Mapping[str, str], ...]
    numbers: Mapping[tuple[int, str], int]

    def __len__(self) -> int:
        return len(self.images)

    def labels(self, index: int) -> Mapping[str, Array]:
        """Label maps of an image, read when they are asked for; see :class:`~metannvis_methods.ImageConcepts`.

        Raises
        ------
        DamagedFileError
            A mask cannot be read, or holds a number that no label has.
        """
        found: dict[str, Array] = {}
        for category, cell in self.cells[index].items():
            parts = [part.strip() for part in cell.split(";") if part.strip()]
            if not parts:
                continue
            if all(part.isdecimal() for part in parts):
                found[category] = np.array([self._place(int(part), category, self.images[index]) for part in parts])
            else:
                found[category] = np.stack([self._map(self.folder / part, category) for part in parts])
        return found

    def _map(self, path: Path, category: str) -> Array:
        image = require_extra("PIL.Image", "images", "Pillow")
        try:
            with image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"), np.int64)
        except (OSError, ValueError) as error:
            raise DamagedFileError(f"{path} cannot be read as a mask: {error}") from error
        numbers = pixels[..., 0] + 256 * pixels[..., 1]
        known, where = np.unique(numbers, return_inverse=True)
        places = np.array([self._place(int(number), category, path) for number in known])
        found: Array = places[where.reshape(numbers.shape)]
        return found

    def _place(self, number: int, category: str, path: Path) -> int:
        if number == 0:
            return -1
        if (number, category) not in self.numbers:
            raise DamagedFileError(f"{path}: label {number} of category {category!r} is not in label.csv")
        return self.numbers[number, category]


def read_broden(folder: str | Path, *, split: str | None = None, categories: Sequence[str] | None = None) -> Broden:
    """Read the index of a labelled set in Broden's form; masks are read when they are needed.

    Parameters
    ----------
    folder
        With ``index.csv``, ``label.csv`` and ``images/``.
    split
        ``"train"`` or ``"val"``; ``None``: both.
    categories
        Those that count; ``None``: all that the index has.

    Returns
    -------
    Broden
        Concepts for :func:`dissect`, and ``images``, the files.

    Raises
    ------
    InvalidArgumentError
        There is no such folder, split or category.
    DamagedFileError
        A file lacks a column, or holds something else than it has to.
    """
    folder = Path(folder)
    for name in ("index.csv", "label.csv"):
        if not (folder / name).is_file():
            raise InvalidArgumentError(f"{folder} holds no {name}: Broden's form is index.csv, label.csv and {FOLDER}/")
    rows, columns = _table(folder / "index.csv", ("image",))
    known = [column for column in columns if column not in OWN]
    unknown = [name for name in categories or () if name not in known]
    if unknown:
        raise InvalidArgumentError(f"{folder} has no category {', '.join(unknown)}; there are: {', '.join(known)}")
    wanted = [name for name in known if categories is None or name in categories]
    if split is not None:
        rows = [row for row in rows if row.get("split") == split]
    if not rows:
        raise InvalidArgumentError(f"{folder} has no images" + (f" of split {split!r}" if split else ""))
    names, of, numbers = _labels(folder / "label.csv", wanted)
    images = tuple(_inside(folder / FOLDER, row["image"]) for row in rows)
    cells = tuple({category: row.get(category) or "" for category in wanted} for row in rows)
    for cell in cells:
        for text in cell.values():
            for part in text.split(";"):
                if part.strip() and not part.strip().isdecimal():
                    _inside(folder / FOLDER, part.strip())
    return Broden(folder / FOLDER, images, names, of, cells, numbers)


def _labels(path: Path, wanted: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], dict[tuple[int, str], int]]:
    """Names and categories of the concepts, and their places by number and category."""
    rows, _ = _table(path, ("number", "name", "category"))
    found: list[tuple[int, str, str]] = []
    for row in rows:
        if not row["number"].isdecimal():
            raise DamagedFileError(f"{path}: {row['number'][:40]!r} is no number of a label")
        for text in row["category"].split(";"):  # "object(23);part(4)": how often it is what
            category = text.partition("(")[0].strip()
            if category in wanted and int(row["number"]):
                found.append((int(row["number"]), row["name"], category))
    if not found:
        raise DamagedFileError(f"{path} has no label of the categories {', '.join(wanted)}")
    every = [name for _, name, _ in found]
    names = tuple(name if every.count(name) == 1 else f"{name} ({category})" for _, name, category in found)
    if len(set(names)) < len(names):
        raise DamagedFileError(f"{path} names two labels of a category alike")
    return names, tuple(c for _, _, c in found), {(number, c): k for k, (number, _, c) in enumerate(found)}


def _table(path: Path, needed: Sequence[str]) -> tuple[list[dict[str, str]], list[str]]:
    reader = csv.DictReader(read_text(path).splitlines())
    columns = [name for name in reader.fieldnames or () if name]
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise DamagedFileError(f"{path} has no column {', '.join(lacking)}; it has: {', '.join(columns)[:80]}")
    rows = [{key: value or "" for key, value in row.items() if isinstance(key, str)} for row in reader]
    return rows, columns


def _inside(folder: Path, name: str) -> Path:
    """A file within the folder: a set from elsewhere names no others."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DamagedFileError(f"{name[:80]!r} lies outside of {folder}")
    return path
