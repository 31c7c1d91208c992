"""Feature visualization: ``metannvis visualize``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_option, parse_options, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

KINDS = ("figure", "page", "result", "values")


@click.command(
    "visualize", epilog=example("metannvis visualize net.pt2 --target 3 --range 0 1 --seed 0 --output three.png")
)
@model_argument
@click.option("--method", "-m", default="activation_maximization", show_default=True, help="Key of a method.")
@click.option("--toolset", help="Whose method.")
@target_options
@click.option("--steps", type=click.IntRange(1), help="Number of steps; default: the toolkit's.")
@click.option(
    "--range",
    "span",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Range of the model's inputs; default: the toolkit's, 0 255.",
)
@click.option("--rate", type=float, help="Size of a step; default: the toolkit's, 1, or 1/255 of --range.")
@input_options
@vocabulary_options("model_output", "logits", "device", "deadline", "unfit")
@click.option("--seed", type=int, help="Makes a run repeatable.")
@method_option
@output_options(*KINDS)
@model_options
@json_option
@work
def command(
    path: Path,
    method: str,
    toolset: str | None,
    targets: Sequence[str],
    labels: Path | None,
    steps: int | None,
    span: tuple[float, float] | None,
    rate: float | None,
    inputs: InputOptions,
    vocabulary: VocabularyOptions,
    seed: int | None,
    options: Sequence[str],
    output: OutputOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Make an input that MODEL responds to most: activation maximisation.

    It starts from noise, or from --input.
    """
    from metannvis_methods import explain, find_methods, list_methods
    from metannvis_translate.errors import InvalidArgumentError

    from metannvis_cli.inputs import check_request
    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import check_outputs, in_folders, write
    from metannvis_cli.summary import as_dict, as_text
    from metannvis_cli.targets import read_labels, read_targets

    own: dict[str, Any] = parse_options(options)
    if span is not None:
        own["input_range"] = span
        rate = (span[1] - span[0]) / 255 if rate is None else rate
    if steps is not None:
        own["steps"] = steps
    output = in_folders(output, method)
    check_outputs(output, KINDS)
    rows = find_methods(method, toolset)
    if not any(row.kind == "feature_visualization" for row in rows):
        known = ", ".join(row.key for row in list_methods(kind="feature_visualization"))
        raise InvalidArgumentError(f"{method} makes no input but explains one: use explain. Those that do: {known}")
    names = read_labels(labels)
    target = read_targets(targets, names)
    check_request(method, inputs, toolset=toolset, target=target, labels=names, options=own, **vocabulary.words())
    opened = open_model(path, model, console, shape=inputs.shape)
    if rate is not None and all(row.argument("optimizer") for row in rows):
        # the toolkit's own default with another step, which fits inputs of 0…255
        own.setdefault("optimizer", {"rmsprop": {"learning_rate": rate, "rho": 0.95}})
    translation = None
    start = opened.explained(inputs, console)
    if start["inputs"] is None:  # a translation needs an example of what the model takes
        translation = {"dummy_input": opened.inputs_or_examples(inputs, console)}
    result = explain(
        opened.model,
        method,
        **start,
        target=target,
        labels=names,
        toolset=toolset,
        seed=seed,
        translation=translation,
        progress=console.progress,
        options=own,
        **vocabulary.words(),
    )
    write(result, output, inputs.names)
    console.clear()
    if as_json:
        echo_json(as_dict(result, output.paths))
    else:
        click.echo(as_text(result, output.paths))
