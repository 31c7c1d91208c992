"""Output files: refused before the work if they cannot be written, written after it."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.outputs import DIRECTIONS, OutputOptions

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_outputs", "of_layer", "refuse_unwritable", "write", "write_array"]

SUFFIXES = {"figure": (".png", ".pdf", ".svg"), "page": (".html",), "result": (".npz",), "values": (".npy",)}


def check_outputs(output: OutputOptions, kinds: Sequence[str]) -> None:
    """Refuse, before the work, files that could not be written after it.

    Raises
    ------
    click.BadParameter
        An ending is not known, or a folder is missing.
    InvalidArgumentError
        A file exists, and is not to be overwritten.
    WriteError
        It may not be written: no rights, a folder of that name, a name too long.
    """
    known = [suffix for kind in kinds for suffix in SUFFIXES[kind]]
    for path in output.paths:
        if path.suffix.lower() not in known:
            wanted = ", ".join(DIRECTIONS[kind] for kind in kinds)
            raise click.BadParameter(f"{path.name!r} has no ending that is known: {wanted}", param_hint="--output")
        if not path.parent.is_dir():
            raise click.BadParameter(f"the folder {str(path.parent)!r} does not exist", param_hint="--output")
        refuse_unwritable(path, overwrite=output.overwrite)


def refuse_unwritable(path: Path, *, overwrite: bool) -> None:
    """Raise what writing to the path would raise: it exists, or there is no right to write to it."""
    from metannvis_translate.errors import InvalidArgumentError
    from metannvis_translate.writing import check_target

    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{path} exists already; --overwrite replaces it")
    check_target(path)


def write(result: Any, output: OutputOptions) -> None:
    """Write an explanation or a comparison, each path by its ending.

    Raises
    ------
    InvalidArgumentError
        A file was made by somebody else while the work went on, and is not to be overwritten.
    WriteError
        A file cannot be written, as on a full disk; what was there is unchanged.
    """
    from metannvis_translate.errors import InvalidArgumentError
    from metannvis_translate.writing import replacing

    for path in output.paths:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES["values"]:
            if isinstance(result.values, tuple):
                raise InvalidArgumentError(
                    f"there are {len(result.values)} arrays, one an input: write an .npz instead of {path.name}"
                )
            write_array(path, result.values, overwrite=output.overwrite)
            continue
        with replacing(path, overwrite=output.overwrite) as new:
            if suffix in SUFFIXES["figure"]:
                result.plot(path=new)
            elif suffix in SUFFIXES["page"]:
                from metannvis_plot import report

                report(result, new)
            else:
                result.save(new)


def of_layer(output: OutputOptions, layer: str) -> OutputOptions:
    """The files of one of several layers: the layer's name stands before the ending."""
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in layer)
    paths = tuple(path.with_name(f"{path.stem}-{plain}{path.suffix}") for path in output.paths)
    return dataclasses.replace(output, paths=paths)


def write_array(path: Path, array: np.ndarray[Any, Any], *, overwrite: bool = True) -> None:
    """Write an ``.npy`` file whole or not at all."""
    import numpy as np
    from metannvis_translate.writing import write_bytes

    buffer = io.BytesIO()  # NumPy's error on a full disk does not say that it is full
    np.save(buffer, array)
    write_bytes(path, buffer.getbuffer(), overwrite=overwrite)
