"""Input files of a command: folders and patterns as the files in them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from metannvis_cli.file_names import names_of_files
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console

__all__ = ["InputSet", "input_sets", "is_several"]

#: What makes a text a pattern.
WILD = re.compile(r"[*?\[]")
#: Names of files that are left out without a word.
HIDDEN = (".", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class InputSet:
    """What a model is given at once.

    Attributes
    ----------
    options
        The files, and how they are read.
    name
        What output files are called by it; empty if it is the only one.
    shown
        What people are told; empty if it is the only one.
    """

    options: InputOptions
    name: str = ""
    shown: str = ""


def is_several(text: str) -> bool:
    """Whether a text names a folder or a pattern."""
    from metannvis_methods.inputs.selections import selected

    return not selected(text).path.is_file() and (Path(text).is_dir() or WILD.search(text) is not None)


def input_sets(options: InputOptions, console: Console, *, apart: bool) -> list[InputSet]:
    """The inputs, each file by itself, or all as one batch.

    Parameters
    ----------
    options
        Their files may be folders and patterns.
    console
        Told what is left out of folders.
    apart
        Whether several files are explained each by itself; those of folders and patterns always are.

    Raises
    ------
    click.BadParameter
        A folder or a pattern holds nothing that is an input.
    """
    from metannvis_cli.inputs import is_named

    files: list[str] = []
    for text in options.files:
        name, sign, rest = text.partition("=")
        if sign and is_several(rest) and not is_several(text):
            raise click.BadParameter(
                f"{name}= names one file, and {rest!r} is a folder or a pattern", param_hint="--input"
            )
        files += _files(text, console) if is_several(text) else [text]
    spread = len(files) > len(options.files) or any(map(is_several, options.files))
    if len(files) < 2 or not (apart or spread) or any(map(is_named, files)):
        return [InputSet(dataclasses.replace(options, files=tuple(files)))]
    files = list(dict.fromkeys(files))
    names = names_of_files(files)
    alike = len({Path(file).name for file in files}) < len(files)
    return [
        InputSet(dataclasses.replace(options, files=(file,)), name, _shown(file, alike))
        for file, name in zip(files, names, strict=True)
    ]


def _shown(file: str, alike: bool) -> str:
    path = Path(file)
    return "/".join(path.parts[-2:]) if alike else path.name


def _files(text: str, console: Console) -> list[str]:
    """The files of a folder, with those of folders in it, or of a pattern, in the order of their names."""
    from metannvis_methods.inputs.files import ENDINGS, is_input

    path = Path(text)
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path))]
        what, none = f"the folder {text!r}", "holds no file"
    else:
        found = [file for file in _matches(text) if file.is_file()]
        what, none = f"what {text!r} matches", "is no file: there is none"
    if not found:
        raise click.BadParameter(f"{what} {none}", param_hint="--input")
    known = [file for file in found if is_input(file)]
    if not known:
        raise click.BadParameter(
            f"{what} holds nothing that is an input ({', '.join(ENDINGS)}): {_few(found)}", param_hint="--input"
        )
    if len(known) < len(found):
        others = sorted(set(found) - set(known))
        console.note(f"left out of {text}, being no inputs: {_few(others)}")
    return [str(file) for file in sorted(known, key=_in_order)]


def _matches(text: str) -> Sequence[Path]:
    import glob

    return [Path(found) for found in glob.glob(text, recursive=True)]  # noqa: PTH207  # which takes absolute patterns


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(HIDDEN) for part in path.parts)


def _few(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")


def _in_order(path: Path) -> list[tuple[int, int, str]]:
    """By names, numbers in them by their size: 2 before 10."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
