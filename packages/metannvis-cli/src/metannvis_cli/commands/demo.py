"""Demonstration on handwritten digits: ``metannvis demo``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

if TYPE_CHECKING:
    from metannvis_cli.demo.story import Demo

NEXT = """\
metannvis layers {folder}/cheat-torch.pt2
metannvis explain {folder}/cheat-torch.pt2 --method grad_cam --toolset tf-keras-vis --layer conv3 \\
    --input {folder}/digit-torch.npy --target 3 --output cam.png
metannvis explain {folder}/cheat-keras.keras --method integrated_gradients --toolset captum \\
    --input {folder}/digit-keras.npy --target 3 --output gradients.png
metannvis compare {folder}/cheat-keras.keras --method saliency --input {folder}/digit-keras.npy --target 3
metannvis translate {folder}/cheat-torch.pt2 cheat.keras
"""


@click.command("demo", epilog=example("metannvis demo --output metannvis-demo"))
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("metannvis-demo"),
    show_default=True,
    help="Folder to write to; made if missing.",
)
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds something.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the training and of random methods."
)
@click.option("--epochs", type=click.IntRange(1), default=6, show_default=True, help="Of each training.")
@json_option
@work
def command(folder: Path, overwrite: bool, seed: int, epochs: int, as_json: bool, console: Console) -> None:
    """Find out which of two networks cheats, in PyTorch and in Keras, with the toolkits of both.

    Of each pair that learns handwritten digits, one is given a reason to cheat: a grey square in the corner of every three. The
    digits come with scikit-learn: nothing is downloaded. A generator of digits learns as well, and makes one of each class of
    which a network is sure. Writes figures, a page, the networks and a digit, and says which commands to try on them next.
    """
    from metannvis_translate.errors import InvalidArgumentError

    from metannvis_cli.demo.story import tell

    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise InvalidArgumentError(f"the folder {str(folder)!r} holds something already; --overwrite writes into it")

    def say(text: str) -> None:
        console.clear()
        if not as_json:
            click.echo(text)

    with _filled(folder) as work:
        demo = tell(work, seed=seed, epochs=epochs, progress=console.progress, say=say)
    console.clear()
    if as_json:
        echo_json(_as_dict(demo, folder))
        return
    click.echo("\nWrote:")
    for file in demo.files:
        click.echo(f"  {folder / file.name}")
    click.echo("\nGo on with:")
    click.echo(NEXT.format(folder=folder), nl=False)
    click.echo(f"\nThe page: {(folder / 'index.html').resolve()}")


@contextmanager
def _filled(folder: Path) -> Iterator[Path]:
    """A folder to work in, whose files are moved to `folder` at the end, beside what is there; none if the work fails.

    Raises
    ------
    WriteError
        The folder cannot be made or written to.
    """
    from metannvis_translate.errors import WriteError
    from metannvis_translate.writing import check_target, replacing, replacing_folder

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        holds = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise WriteError(error, folder) from error
    if not holds:
        with replacing_folder(folder, overwrite=False) as work:
            yield work
        return
    check_target(folder / "index.html")  # refused before the work
    with TemporaryDirectory(prefix="metannvis-demo-") as work:
        yield Path(work)
        for file in sorted(Path(work).iterdir()):
            with replacing(folder / file.name) as new:
                shutil.copyfile(file, new)


def _as_dict(demo: Demo, folder: Path) -> dict[str, Any]:
    from metannvis_methods import Comparison

    return {
        "networks": [
            {
                "name": network.name,
                "accuracy": network.accuracy,
                "called_three": network.called_three,
                "shares": {method: share for (name, method), share in demo.shares.items() if name == network.name},
                "file": str(folder / network.file.name),
                "translation": None if network.translation.report is None else network.translation.report.to_dict(),
            }
            for network in demo.networks.values()
        ],
        "verdict": demo.verdict,
        "generated": {
            "file": str(folder / "generator.pt2"),
            "probabilities": list(demo.probabilities),
        },
        "comparisons": [found.to_dict() for _, found in demo.pictured.values() if isinstance(found, Comparison)],
        "files": [str(folder / file.name) for file in demo.files],
    }
