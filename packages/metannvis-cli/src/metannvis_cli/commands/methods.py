"""List of methods: ``metannvis methods``."""

from __future__ import annotations

from typing import Any

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, table


@click.command("methods", epilog=example("metannvis methods --kind layer"))
@click.option("--toolset", help="Only those of a toolset, such as captum.")
@click.option("--framework", help="Only those that run on models of a framework: torch, tensorflow.")
@click.option("--kind", help="Only primary, layer, neuron or feature_visualization ones.")
@click.option("--family", help="Only gradient, perturbation, cam, activation or optimization ones.")
@json_option
@work
def command(as_json: bool, console: Console, **wanted: Any) -> None:
    """List the methods there are, of every toolset. Any runs on a model of any framework.

    PASSES are rows through the model for each sample; `metannvis describe METHOD` says more of each.
    """
    from metannvis_methods import list_methods

    rows = list_methods(**wanted)
    if as_json:
        echo_json([row.to_dict() for row in rows])
        return
    click.echo(
        table(
            ("METHOD", "TOOLSET", "KIND", "FAMILY", "PASSES", "NEEDS", "WHAT IT DOES"),
            [
                (row.key, row.toolset, row.kind, row.family, row.passes, ", ".join(row.needs) or "-", row.summary)
                for row in rows
            ],
        )
    )
