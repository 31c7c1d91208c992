"""Description of a method: ``metannvis describe``."""

from __future__ import annotations

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json


@click.command("describe", epilog=example("metannvis describe integrated_gradients --toolset captum"))
@click.argument("method")
@click.option("--toolset", help="Only that toolset's.")
@json_option
@work
def command(method: str, toolset: str | None, as_json: bool, console: Console) -> None:
    """Say what a method does, what it takes, whose it is, and what to beware of."""
    from metannvis_methods import describe_method, find_methods

    from metannvis_cli.errors import wrong_usage

    with wrong_usage():
        rows = find_methods(method, toolset)
    if as_json:
        echo_json([row.to_dict() for row in rows])
    else:
        click.echo(describe_method(method, toolset))
