"""Options of the files that a command writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from metannvis_cli.options.grouping import Function, as_one

__all__ = ["DIRECTIONS", "OutputOptions", "output_options"]


@dataclass(frozen=True)
class OutputOptions:
    """Files that a command writes.

    Attributes
    ----------
    paths
        As many as are wanted, the ending of each decides what is written.
    overwrite
        Whether files that exist are replaced.
    """

    paths: tuple[Path, ...] = ()
    overwrite: bool = False


DIRECTIONS = {
    "figure": "a figure by .png, .pdf, .svg",
    "page": "a page by .html",
    "result": "the whole result by .npz",
    "values": "its values by .npy",
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
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"File to write; its ending decides: {known}. May be given several times.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    )
