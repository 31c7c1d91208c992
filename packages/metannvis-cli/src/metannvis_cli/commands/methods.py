"""List of methods: ``metannvis methods``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, echo_table


@click.command("methods", epilog=example("metannvis methods --kind layer"))
@click.option("--toolset", shell_complete=completion.toolsets, help="Only those of a toolset, such as captum.")
@click.option(
    "--framework",
    shell_complete=completion.frameworks,
    help="Only those that run on models of a framework: torch, tensorflow.",
)
@click.option(
    "--kind", shell_complete=completion.kinds, help="Only primary, layer, neuron or feature_visualization ones."
)
@click.option(
    "--family",
    shell_complete=completion.families,
    help="Only gradient, perturbation, cam, activation or optimization ones.",
)
@json_option
@work
def command(as_json: bool, console: Console, **wanted: Any) -> None:
    """List the methods there are, of every toolset. Any runs on a model of any framework.

    PASSES are rows through the model for each sample; `metannvis describe METHOD` says more of each.
    """
    from metannvis_methods import list_methods

    from metannvis_cli.errors import wrong_usage

    with wrong_usage():
        rows = list_methods(**wanted)
        _refuse_unknown(wanted)
    if as_json:
        echo_json([row.to_dict() for row in rows])
        return
    echo_table(
        ("METHOD", "TOOLSET", "KIND", "FAMILY", "PASSES", "NEEDS", "WHAT IT DOES"),
        [
            (row.key, row.toolset, row.kind, row.family, row.passes, ", ".join(row.needs) or "-", row.summary)
            for row in rows
        ],
    )


def _refuse_unknown(wanted: Mapping[str, str | None]) -> None:
    """Tell a framework or a family that no method has from a combination that none has."""
    from metannvis_methods import list_methods
    from metannvis_translate.frameworks import framework_keys

    every = list_methods()
    known = {
        "framework": {*framework_keys(), *(name for row in every for name in row.frameworks)},
        "family": {row.family for row in every},
    }
    for option, names in known.items():
        name = wanted[option]
        if name is not None and name not in names:
            raise click.BadParameter(
                f"unknown {option} {name!r}; there are: {', '.join(sorted(names))}", param_hint=f"--{option}"
            )
