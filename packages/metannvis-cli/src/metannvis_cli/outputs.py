"""Output files: refused before the work if they cannot be written, written after it."""

from __future__ import annotations

import dataclasses
import io
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.outputs import DIRECTIONS, OutputOptions

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_outputs", "in_folders", "of_layer", "refuse_unwritable", "write", "write_array"]

SUFFIXES = {"figure": (".png", ".pdf", ".svg"), "page": (".html",), "result": (".npz",), "values": (".npy",)}


def in_folders(output: OutputOptions, name: str) -> OutputOptions:
    """Folders among the paths as files in them: the time, then the name (of the method), a figure."""

    def file(path: Path) -> Path:
        if not path.is_dir():
            return path
        return path / f"{time.strftime('%Y%m%d-%H%M%S')}-{_plain(name)}.png"

    return dataclasses.replace(output, paths=tuple(map(file, output.paths)))


def check_outputs(output: OutputOptions, kinds: Sequence[str]) -> None:
    """Refuse, before the work, files that could not be written after it.

    Raises
    ------
    click.BadParameter
        An ending is not known, or a folder is missing.
    InvalidArgumentError
        A file exists, and is not to be overwritten; figures of that kind have no such option.
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
    _check_look(output)


def _check_look(output: OutputOptions) -> None:
    """Refuse what no figure, or none of that kind, could be drawn with."""
    look = output.look
    if not look:
        return
    drawn = [path for path in output.paths if path.suffix.lower() in (*SUFFIXES["figure"], *SUFFIXES["page"])]
    if not drawn:
        options = ", ".join(f"--{name}" for name in look)
        raise click.BadParameter(f"{options}: say with --output where a figure or a page goes", param_hint="--output")
    if "cmap" in look:
        import matplotlib

        if look["cmap"] not in matplotlib.colormaps:
            raise click.BadParameter(f"{look['cmap']!r} is no name of a matplotlib colour map", param_hint="--cmap")
    if "kind" in look:
        from metannvis_plot.dispatch import options_of

        for name in sorted(set(look) - {"kind"} - set(options_of(look["kind"]))):
            raise click.BadParameter(f"a figure of kind {look['kind']} has no {name}", param_hint=f"--{name}")


def refuse_unwritable(path: Path, *, overwrite: bool) -> None:
    """Raise what writing to the path would raise: it exists, or there is no right to write to it."""
    from metannvis_translate.errors import InvalidArgumentError
    from metannvis_translate.writing import check_target

    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{path} exists already; --overwrite replaces it")
    check_target(path)


def write(result: Any, output: OutputOptions, names: Sequence[str] = ()) -> None:
    """Write an explanation or a comparison, each path by its ending; `names` are those of the samples, if they are known.

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
                result.plot(path=new, **_look(result, output, names))
            elif suffix in SUFFIXES["page"]:
                from metannvis_plot import report

                report(result, new, command=shlex.join(["metannvis", *sys.argv[1:]]), **_look(result, output, names))
            else:
                result.save(new)


def _look(result: Any, output: OutputOptions, names: Sequence[str]) -> dict[str, Any]:
    """Options of the figure of a result: those that its kind has, and the names of the samples if there is one each."""
    from metannvis_plot.dispatch import choose_kind, options_of

    look = output.look
    known = options_of(look.get("kind") or choose_kind(result))
    found = {name: value for name, value in look.items() if name == "kind" or name in known}
    inputs = getattr(result, "inputs", None)
    samples = len(inputs[0] if isinstance(inputs, tuple) else inputs) if inputs is not None else 0
    if "sample_names" in known and names and len(names) == samples:
        found["sample_names"] = tuple(names)
    return found


def of_layer(output: OutputOptions, layer: str) -> OutputOptions:
    """The files of one of several layers: the layer's name stands before the ending."""
    paths = tuple(path.with_name(f"{path.stem}-{_plain(layer)}{path.suffix}") for path in output.paths)
    return dataclasses.replace(output, paths=paths)


def _plain(name: str) -> str:
    """A name as part of a file's."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def write_array(path: Path, array: np.ndarray[Any, Any], *, overwrite: bool = True) -> None:
    """Write an ``.npy`` file whole or not at all."""
    import numpy as np
    from metannvis_translate.writing import write_bytes

    buffer = io.BytesIO()  # NumPy's error on a full disk does not say that it is full
    np.save(buffer, array)
    write_bytes(path, buffer.getbuffer(), overwrite=overwrite)
