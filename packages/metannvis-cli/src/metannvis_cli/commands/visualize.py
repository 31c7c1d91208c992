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
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console

if TYPE_CHECKING:
    from metannvis_cli.input_files import InputSet
    from metannvis_cli.models import Opened
    from metannvis_cli.requests import Request

KINDS = ("figure", "page", "result", "values")


@click.command(
    "visualize", epilog=example("metannvis visualize net.pt2 --target 3 --range 0 1 --seed 0 --output three.png")
)
@model_argument
@method_names_option("Key of a method; several: each.", default="activation_maximization")
@click.option("--toolset", "toolsets", multiple=True, help="Whose method; several: each.")
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
@click.option("--seed", type=click.IntRange(0), help="Makes a run repeatable.")
@method_option
@output_options(*KINDS)
@model_options
@json_option
@work
def command(
    path: Path,
    methods: Sequence[str],
    toolsets: Sequence[str],
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

    It starts from noise, or from each --input.
    """
    from metannvis_methods import find_methods, list_methods
    from metannvis_translate.errors import InvalidArgumentError

    from metannvis_cli.errors import wrong_usage
    from metannvis_cli.explaining import Call, explain_all
    from metannvis_cli.input_files import input_sets
    from metannvis_cli.inputs import check_files, check_request
    from metannvis_cli.outputs import check_endings, check_look, in_folders, is_folder
    from metannvis_cli.requests import one_a_sample, requests
    from metannvis_cli.targets import read_aims, read_labels

    if span is not None:
        if not span[0] < span[1]:
            raise click.BadParameter(f"{span[0]:g} {span[1]:g}: LOW has to be below HIGH", param_hint="--range")
        rate = (span[1] - span[0]) / 255 if rate is None else rate
    with wrong_usage():
        check_endings(output, KINDS)
        check_look(in_folders(output, "all"))
        for method in methods:
            if not any(row.kind == "feature_visualization" for row in find_methods(method)):
                known = ", ".join(row.key for row in list_methods(kind="feature_visualization"))
                raise InvalidArgumentError(
                    f"{method} makes no input but explains one: use explain. Those that do: {known}"
                )
        sets = input_sets(inputs, console, apart=any(map(is_folder, output.paths)))
        for one in sets:
            check_files(one.options)
        names = read_labels(labels)
        # an image a target, all in one figure
        aims = one_a_sample(read_aims(targets, names, vocabulary))
        words = {"labels": names, "seed": seed, **vocabulary.words()}
        check = partial(check_request, inputs=sets[0].options)
        asked = requests(
            methods, toolsets, (), aims, options, words, check, console.note, {"input_range": span, "steps": steps}
        )

    def more(opened: Opened, start: InputSet, request: Request) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        if rate is not None and all(row.argument("optimizer") for row in find_methods(request.method, request.toolset)):
            # the toolkit's own default with another step, which fits inputs of 0…255
            optimizer = {"rmsprop": {"learning_rate": rate, "rho": 0.95}}
            found["options"] = {"optimizer": optimizer, **request.words["options"]}
        if not start.options.files:  # a translation needs an example of what the model takes
            found["translation"] = {"dummy_input": opened.inputs_or_examples(start.options, console)}
        return found

    explain_all(Call(path, model, sets, asked, aims, None, None, output, KINDS, more), console, as_json=as_json)
