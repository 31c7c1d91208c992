"""List of a model's layers: ``metannvis layers``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, echo_table, shape_text


@click.command("layers", epilog=example("metannvis layers net.pt2"))
@model_argument
@input_options
@model_options
@json_option
@work
def command(
    path: Path,
    inputs: InputOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """List the layers of a model in the order in which they run: the names that --layer takes.

    A state dict needs --architecture, and --input or --input-shape; other model files say what they take.
    """
    from metannvis_translate import list_layers

    from metannvis_cli.inputs import check_files
    from metannvis_cli.models import open_model

    check_files(inputs)
    opened = open_model(path, model, console, shape=inputs.shape)
    examples = None
    if inputs.files or inputs.shape is not None:  # otherwise the shapes that the model declares are used
        examples = opened.inputs_or_examples(inputs, console)
    rows = list_layers(opened.model, example_inputs=examples)
    console.clear()
    if as_json:
        echo_json([asdict(row) for row in rows])
        return
    if not rows:
        console.note(f"{path} has no layers to name: it is a graph of operations; --layer is not for it")
        return
    echo_table(
        ("LAYER", "KIND", "SHAPE", "AXES"),
        [(row.name, row.kind, shape_text(row.shape), row.axes) for row in rows],
    )
