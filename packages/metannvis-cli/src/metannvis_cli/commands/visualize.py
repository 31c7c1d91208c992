"""Feature visualization: ``metannvis visualize``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_names_option, method_option, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.run import (
    RunOptions,
    as_run,
    batch_size_option,
    layers_option,
    neuron_option,
    seed_option,
    toolsets_option,
)
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console

if TYPE_CHECKING:
    from metannvis_methods import MethodSpec

    from metannvis_cli.input_files import InputSet
    from metannvis_cli.models import Opened
    from metannvis_cli.requests import Request

KINDS = ("figure", "page", "result", "values")


@click.command(
    "visualize",
    epilog=example(
        "metannvis visualize net.pt2 --target 3 --range 0 1 --seed 0 --output three.png",
        "metannvis visualize net.pt2 --layer conv2 --channel 3 --seed 0 --output channel.png",
    ),
)
@model_argument
@method_names_option("Key of a method; several: each.", default="activation_maximization")
@toolsets_option("Whose method; several: each.")
@target_options
@layers_option("whose response is made large instead of a class's; several: a result each.")
@click.option(
    "--channel", "channels", type=click.IntRange(0), multiple=True, help="Channel of the layer; several: an image each."
)
@neuron_option("what the layer returns")
@click.option("--steps", type=click.IntRange(1), help="Number of steps; default: the toolkit's.")
@click.option(
    "--range",
    "span",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Range of the model's inputs; default: the toolkit's: 0 255 of tf-keras-vis, 0 1 of metannvis.",
)
@click.option(
    "--rate", type=float, help="Size of a step; default: the toolkit's; of tf-keras-vis 1, or 1/255 of --range."
)
@input_options
@vocabulary_options("model_output", "logits", "device", "deadline", "unfit")
@seed_option("Makes a run repeatable.")
@batch_size_option("Images")
@method_option
@output_options(*KINDS)
@model_options
@json_option
@work
@as_run
def command(
    path: Path,
    run: RunOptions,
    channels: Sequence[int],
    steps: int | None,
    span: tuple[float, float] | None,
    rate: float | None,
    inputs: InputOptions,
    vocabulary: VocabularyOptions,
    output: OutputOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Make an input that MODEL responds to most: activation maximisation of a class, or of a layer, a channel, a neuron.

    It starts from noise, or from each --input.
    """
    from metannvis_methods import find_methods, list_methods
    from metannvis_translate.errors import InvalidArgumentError

    from metannvis_cli.errors import wrong_usage
    from metannvis_cli.explaining import Call, checked_sets, explain_all
    from metannvis_cli.inputs import check_request
    from metannvis_cli.outputs import check_output
    from metannvis_cli.requests import one_a_sample, requests
    from metannvis_cli.targets import position, read_aims, read_labels

    run.check_neuron()
    if channels and not run.layers:
        raise click.BadParameter("a channel is of a layer: give --layer", param_hint="--channel")
    if span is not None and not span[0] < span[1]:
        raise click.BadParameter(f"{span[0]:g} {span[1]:g}: LOW has to be below HIGH", param_hint="--range")
    with wrong_usage():
        check_output(output, KINDS)
        for method in run.methods:
            if not any(row.kind == "feature_visualization" for row in find_methods(method)):
                known = ", ".join(row.key for row in list_methods(kind="feature_visualization"))
                raise InvalidArgumentError(
                    f"{method} makes no input but explains one: use explain. Those that do: {known}"
                )
        sets = checked_sets(inputs, output, console)
        names = read_labels(run.labels)
        # an image a target, all in one figure
        aims = one_a_sample(read_aims(run.targets, names, vocabulary))
        words = {
            "labels": names,
            "seed": run.seed,
            "neuron": position(run.neuron, "--neuron"),
            "batch_size": run.batch_size,
            **vocabulary.words(),
        }
        typed: dict[str, Any] = {"steps": steps, "channel": list(channels) or None}
        if run.layers or all(row.optimizes for method in run.methods for row in _rows_of(method, run.toolsets)):
            words["value_range"] = span
        else:
            typed["input_range"] = span
            rate = (span[1] - span[0]) / 255 if rate is None and span is not None else rate
        check = partial(check_request, inputs=sets[0].options)
        asked = requests(run, aims, words, check, console.note, typed)

    def more(opened: Opened, start: InputSet, request: Request) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        if rate is not None:
            found_rows = find_methods(request.method, request.toolset)
            found["options"] = {**_step(rate, request, found_rows), **request.words["options"]}
        if not start.options.files:  # a translation needs an example of what the model takes
            found["translation"] = {"dummy_input": opened.inputs_or_examples(start.options, console)}
        return found

    explain_all(Call(path, model, sets, asked, aims, None, None, output, KINDS, more), console, as_json=as_json)


def _rows_of(method: str, toolsets: Sequence[str]) -> Sequence[MethodSpec]:
    """Rows that a method may mean in the toolsets that were asked for; none where one is misspelt, which is told later."""
    from metannvis_methods import find_methods

    named = {name.casefold() for name in toolsets}
    return [row for row in find_methods(method) if not named or row.toolset in named]


def _step(rate: float, request: Request, rows: Sequence[MethodSpec]) -> Mapping[str, Any]:
    """The option of a method that says how large a step is."""
    ours = request.layer is not None or "value_range" in request.words or all(row.optimizes for row in rows)
    rows = [row for row in rows if row.optimizes == ours] or rows
    if any(row.argument("rate") for row in rows):
        return {"rate": rate}
    if not all(row.argument("optimizer") for row in rows):
        return {}
    # of tf-keras-vis the default with another step, which fits inputs of 0…255
    return {"optimizer": {"adam": {"rate": rate}} if ours else {"rmsprop": {"learning_rate": rate, "rho": 0.95}}}
