"""Commands of experiments: all take the same options, and write a table, figures and a summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

if TYPE_CHECKING:
    from metannvis_methods.experiments import ExperimentResult

__all__ = ["experiment_command"]


def experiment_command(name: str, help_text: str) -> click.Command:
    """The command of an experiment.

    Parameters
    ----------
    name
        As in ``metannvis_methods.experiments.EXPERIMENTS``.
    help_text
        What it does; its first sentence stands in lists.
    """

    @click.command(
        name, help=help_text, epilog=example(f"metannvis evaluate {name} --size small --output {name}-results")
    )
    @click.option(
        "--output",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder to write tables (.csv), figures (.png) and summary.json to; made if missing. Default: nothing is written.",
    )
    @click.option("--overwrite", is_flag=True, help="Write into a folder that holds something.")
    @click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of data, trainings and random methods."
    )
    @click.option(
        "--size",
        type=click.Choice(["small", "full"]),
        default="full",
        show_default=True,
        help="full takes minutes; small takes fewer images and passes, in which figures are rough.",
    )
    @json_option
    @work
    def command(folder: Path | None, overwrite: bool, seed: int, size: str, as_json: bool, console: Console) -> None:
        if folder is not None:
            _check_folder(folder, overwrite)
        from metannvis_methods.experiments import run

        found = run(name, seed=seed, size=size, progress=console.progress)
        console.clear()
        files = [] if folder is None else _written(found, folder, console)
        console.clear()
        if as_json:
            echo_json({**found.to_dict(), "files": [str(file) for file in files]})
            return
        for line in found.summary:
            click.echo(line)
        for file in files:
            click.echo(f"wrote {file}")

    return command


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse, before the work, what cannot be written to.

    Raises
    ------
    InvalidArgumentError
        The folder holds something, and that was not allowed.
    WriteError
        It cannot be made or written to.
    """
    from metannvis_translate.errors import InvalidArgumentError, WriteError
    from metannvis_translate.writing import check_target

    try:
        folder.mkdir(parents=True, exist_ok=True)
        holds = any(folder.iterdir())
    except OSError as error:
        raise WriteError(error, folder) from error
    if holds and not overwrite:
        raise InvalidArgumentError(f"the folder {str(folder)!r} holds something already; --overwrite writes into it")
    check_target(folder / "summary.json")


def _written(found: ExperimentResult, folder: Path, console: Console) -> list[Path]:
    """Tables, summary and figures, in a folder that is there."""
    from metannvis_cli.experiment_figures import draw

    files = list(found.save(folder))
    for k, picture in enumerate(found.pictures):
        console.progress(k, len(found.pictures), "draw")
        files.append(draw(picture, folder / f"{picture.name}.png"))
    return files
