"""How a model file is made: ``metannvis export-help``."""

from __future__ import annotations

from pathlib import Path

import click

from metannvis_cli.options.command import work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console


@click.command("export-help", epilog=example("metannvis export-help weights.pth"))
@click.argument("file", type=click.Path(path_type=Path))
@work
def command(file: Path, console: Console) -> None:
    """Say how to make a model file (.pt2, .keras, .onnx) of FILE, which holds weights, a pickled module, or another format.

    FILE need not exist: then its ending says what it is. No code in it is run.
    """
    from metannvis_cli.export_lines import lines_for

    click.echo(lines_for(file), nl=False)
