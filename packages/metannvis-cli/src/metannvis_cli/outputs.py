"""Output files: refused before the work if they cannot be written, written after it."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.command_line import command_line
from metannvis_cli.file_names import plain
from metannvis_cli.options.outputs import DIRECTIONS, SUFFIXES, OutputOptions

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "NO_NAMES",
    "Names",
    "check_endings",
    "check_look",
    "check_output",
    "check_paths",
    "in_folders",
    "is_folder",
    "refuse_unwritable",
    "write",
    "write_array",
]


@dataclass(frozen=True)
class Names:
    """What the parts of inputs are called, for figures.

    Attributes
    ----------
    samples
        Names of the files, one a sample, else they do not count.
    features
        Names of the columns of a table.
    words
        Those of each sample's tokens.
    """

    samples: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()

    def of(self, result: Any) -> tuple[Any, ...]:
        """Names of the parts that a result has values of: features, or tokens; empty if they are none of the input's."""
        values: Any = getattr(result, "values", None)
        axes = getattr(result, "axes", None)
        if not isinstance(axes, str) or not hasattr(values, "shape"):
            return ()
        if axes == "NF" and values.shape[1] == len(self.features):
            return self.features
        rows = self.words
        if axes.startswith("NT") and len(rows) == values.shape[0] and {len(row) for row in rows} == {values.shape[1]}:
            return rows
        return ()


NO_NAMES = Names()


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, or names one that is to be made."""
    return path.is_dir() or (not path.suffix and not path.exists())


def in_folders(output: OutputOptions, *parts: str) -> OutputOptions:
    """Folders among the paths as files in them: the time, then the parts, one file a format."""
    stem = "-".join([time.strftime("%Y%m%d-%H%M%S"), *map(plain, parts)])
    paths: list[Path] = []
    for path in output.paths:
        paths += [path / f"{stem}.{ending}" for ending in output.formats] if is_folder(path) else [path]
    return dataclasses.replace(output, paths=tuple(paths), folders=tuple(filter(is_folder, output.paths)))


def check_paths(output: OutputOptions, kinds: Sequence[str]) -> None:
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
    check_endings(output, kinds)
    for path in output.paths:
        if not path.parent.is_dir() and path.parent not in output.folders:
            raise click.BadParameter(f"the folder {str(path.parent)!r} does not exist", param_hint="--output")
        refuse_unwritable(path if path.parent.is_dir() else path.parent, overwrite=output.overwrite)


def check_output(output: OutputOptions, kinds: Sequence[str]) -> None:
    """Refuse, before anything is read, endings that are not known, and a look that no figure could have.

    Raises
    ------
    click.BadParameter
        There is one.
    """
    check_endings(output, kinds)
    check_look(in_folders(output, "all"))


def check_endings(output: OutputOptions, kinds: Sequence[str]) -> None:
    """Refuse files of endings that are not known.

    Raises
    ------
    click.BadParameter
        One is.
    """
    known = [suffix for kind in kinds for suffix in SUFFIXES[kind]]
    for path in output.paths:
        if path.suffix.lower() not in known and not is_folder(path):
            wanted = ", ".join(DIRECTIONS[kind] for kind in kinds)
            raise click.BadParameter(
                f"{path.name!r} has no ending that is known: {wanted}; a folder has none", param_hint="--output"
            )


def check_look(output: OutputOptions) -> None:
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


def write(result: Any, output: OutputOptions, names: Names = NO_NAMES) -> None:
    """Write an explanation or a comparison, or several explanations, each path by its ending.

    Parameters
    ----------
    result
        A mapping of headings to explanations is drawn as one page or one figure.
    output
        Where to.
    names
        Those of the samples and of their parts, if they are known.

    Raises
    ------
    InvalidArgumentError
        A file was made by somebody else while the work went on, and is not to be overwritten.
    WriteError
        A file cannot be written, as on a full disk; what was there is unchanged.
    """
    from metannvis_translate.errors import InvalidArgumentError
    from metannvis_translate.writing import replacing

    for folder in output.folders:
        _make(folder)
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
            if suffix in SUFFIXES["table"]:
                result.to_csv(new)
            elif suffix in SUFFIXES["figure"]:
                look = _look(result, output, names)
                if isinstance(result, dict):
                    from metannvis_plot import plot

                    plot(result, path=new, **look)
                else:
                    result.plot(path=new, **look)
            elif suffix in SUFFIXES["page"]:
                from metannvis_plot import report

                report(result, new, command=command_line(), **_look_of_page(result, output, names))
            else:
                result.save(new)


def _make(folder: Path) -> None:
    from metannvis_translate.errors import WriteError

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(error, folder) from error


def _look(result: Any, output: OutputOptions, names: Names) -> dict[str, Any]:
    """Options of the figure of a result: those that its kind has, and the names of the samples if there is one each."""
    from metannvis_plot.dispatch import choose_kind, options_of

    look = output.look
    several = list(result.values()) if isinstance(result, dict) else [result]
    parts = next(filter(None, map(names.of, several)), ())
    kind = look.get("kind") or choose_kind(result, named=bool(parts))
    known = options_of(kind)
    found = {name: value for name, value in look.items() if name == "kind" or name in known}
    inputs = getattr(several[0], "inputs", None)
    samples = len(inputs[0] if isinstance(inputs, tuple) else inputs) if inputs is not None else 0
    if "sample_names" in known and names.samples and len(names.samples) == samples:
        found["sample_names"] = names.samples
    if parts and (kind in ("bars", "text") or (kind == "grid" and isinstance(parts[0], str))):
        found["names"] = parts
    elif parts and kind in ("tokens", "grid") and len(parts) == 1:
        found["names"] = parts[0]
    return found


def _look_of_page(result: Any, output: OutputOptions, names: Names) -> dict[str, Any]:
    """Options of all figures of a page: those that each of its results has."""
    if not isinstance(result, dict):
        return _look(result, output, names)
    first, *others = (_look(one, output, names) for one in result.values())
    return {name: value for name, value in first.items() if all(name in other for other in others)}


def write_array(path: Path, array: np.ndarray[Any, Any], *, overwrite: bool = True) -> None:
    """Write an ``.npy`` file whole or not at all."""
    import numpy as np
    from metannvis_translate.writing import write_bytes

    buffer = io.BytesIO()  # NumPy's error on a full disk does not say that it is full
    np.save(buffer, array)
    write_bytes(path, buffer.getbuffer(), overwrite=overwrite)
