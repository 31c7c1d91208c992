"""Files that a command writes: refused before the work if they cannot be written, written after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options import DIRECTIONS

__all__ = ["check_outputs", "write"]

SUFFIXES = {"figure": (".png", ".pdf", ".svg"), "page": (".html",), "result": (".npz",), "values": (".npy",)}


def check_outputs(paths: Sequence[Path], kinds: Sequence[str], *, overwrite: bool) -> None:
    """Refuse what could not be written in the end.

    Raises
    ------
    click.BadParameter
        An ending is not known, or a folder is missing.
    InvalidArgumentError
        A file exists, and ``overwrite`` is not set.
    """
    known = [suffix for kind in kinds for suffix in SUFFIXES[kind]]
    for path in paths:
        if path.suffix.lower() not in known:
            wanted = ", ".join(DIRECTIONS[kind] for kind in kinds)
            raise click.BadParameter(f"{path.name!r} has no ending that is known: {wanted}", param_hint="--output")
        if not path.parent.is_dir():
            raise click.BadParameter(f"the folder {str(path.parent)!r} does not exist", param_hint="--output")
        refuse_existing(path, overwrite=overwrite)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise ``InvalidArgumentError`` if there is something at the path already."""
    if path.exists() and not overwrite:
        from metannvis_translate.errors import InvalidArgumentError

        raise InvalidArgumentError(f"{path} exists already; --overwrite replaces it")


def write(result: Any, paths: Sequence[Path]) -> None:
    """Write an explanation or a comparison, each path by its ending."""
    import numpy as np

    for path in paths:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES["figure"]:
            result.plot(path=path)
        elif suffix in SUFFIXES["page"]:
            from metannvis_plot import report

            report(result, path)
        elif suffix in SUFFIXES["result"]:
            result.save(path)
        elif isinstance(result.values, tuple):
            from metannvis_translate.errors import InvalidArgumentError

            raise InvalidArgumentError(
                f"there are {len(result.values)} arrays, one an input: write an .npz instead of {path.name}"
            )
        else:
            np.save(path, result.values)
