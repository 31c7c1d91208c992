"""Options of the files that a command writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.grouping import Function, as_one

__all__ = ["DIRECTIONS", "SUFFIXES", "OutputOptions", "output_options"]


@dataclass(frozen=True)
class OutputOptions:
    """Files that a command writes.

    Attributes
    ----------
    paths
        As many as are wanted, the ending of each decides what is written.
    formats
        Endings of the files that folders among them get.
    overwrite
        Whether files that exist are replaced.
    kind, cmap, alpha, clip, sign, title
        How figures and pages are drawn, see :func:`metannvis_plot.plot`; ``None``: as suits the result.
    folders
        Folders that the paths are in and that are made if they are not there.
    """

    paths: tuple[Path, ...] = ()
    formats: tuple[str, ...] = ("png",)
    overwrite: bool = False
    kind: str | None = None
    cmap: str | None = None
    alpha: float | None = None
    clip: float | None = None
    sign: str | None = None
    title: str | None = None
    folders: tuple[Path, ...] = ()

    @property
    def look(self) -> dict[str, Any]:
        """What was said about how figures are drawn."""
        given = {name: getattr(self, name) for name in ("kind", "cmap", "alpha", "clip", "sign", "title")}
        return {name: value for name, value in given.items() if value is not None}


#: Kinds of figures (those of ``metannvis_plot.dispatch.KINDS``, without importing matplotlib for a help text).
FIGURES = (
    "overview",
    "heatmap",
    "overlay",
    "masked",
    "contour",
    "channels",
    "volume",
    "grid",
    "comparison",
    "images",
    "optimization",
    "bars",
    "curve",
    "tokens",
    "text",
)

SUFFIXES = {
    "figure": (".png", ".pdf", ".svg"),
    "page": (".html",),
    "result": (".npz",),
    "values": (".npy",),
    "table": (".csv",),
}
DIRECTIONS = {
    "figure": "a figure by .png, .pdf, .svg",
    "page": "a page by .html",
    "result": "the whole result by .npz",
    "values": "its values by .npy",
    "table": "a line a score by .csv",
}


def output_options(*kinds: str) -> Function:
    """``--output`` and ``--overwrite`` for a command that can write these kinds of file."""
    known = ", ".join(DIRECTIONS[kind] for kind in kinds)
    return as_one(
        "output",
        OutputOptions,
        click.option(
            "--output",
            "paths",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE|FOLDER",
            help=f"File to write; its ending decides: {known}. A folder, which is made if need be, has no ending: it gets "
            "files named by time, input, method, layer and target. May be given several times. Of several results a page "
            "holds all; other files are one each, named by what tells them apart.",
        ),
        click.option(
            "--format",
            "formats",
            multiple=True,
            default=("png",),
            type=click.Choice([suffix[1:] for kind in kinds for suffix in SUFFIXES[kind]]),
            help="Ending of the files in a folder; default: png. May be given several times.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that exist."),
        click.option(
            "--kind",
            type=click.Choice(FIGURES),
            metavar="KIND",
            help=f"Kind of figure: {', '.join(FIGURES)}; default: what suits the result.",
        ),
        click.option("--cmap", metavar="NAME", help="Colour map of matplotlib, such as magma or PiYG."),
        click.option("--alpha", type=click.FloatRange(0, 1), help="Opacity of a map over its image."),
        click.option(
            "--clip",
            type=click.FloatRange(0, 100, min_open=True),
            help="Percentile of the magnitudes at which colours end; default: 99, 100 clips none.",
        ),
        click.option(
            "--sign",
            type=click.Choice(["both", "positive", "negative", "absolute"]),
            help="Which of the values are drawn.",
        ),
        click.option("--title", help="Title of the figure instead of what was seen and asked."),
    )
