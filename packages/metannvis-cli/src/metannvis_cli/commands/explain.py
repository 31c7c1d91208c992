"""Explanation of inputs: ``metannvis explain``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.baseline import baseline_option, check_baseline
from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_names_option, method_option, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console

KINDS = ("figure", "page", "result", "values")


@click.command(
    "explain",
    epilog=example(
        "metannvis explain net.pt2 --method grad_cam --toolset tf-keras-vis \\",
        "    --layer conv2 --input digit.npy --target 3 --output cam.png",
        "metannvis explain net.pt2 -m grad_cam -m saliency --toolset captum \\",
        "    --layer conv2 --input digits/ --output maps --output page.html",
    ),
)
@model_argument
@method_names_option("Key of a method; `metannvis methods` lists them. May be given several times.")
@click.option(
    "--toolset", "toolsets", multiple=True, help="Whose method, several: each; default: one that needs no translation."
)
@input_options
@target_options
@click.option(
    "--layer",
    "-l",
    "layers",
    multiple=True,
    help="Name of a layer of this model, as `metannvis layers` lists them, or auto; several: a result and files each.",
)
@click.option("--neuron", metavar="I,J,…", help="Position in that layer's output, the batch left out.")
@baseline_option
@vocabulary_options()
@click.option("--seed", type=click.IntRange(0), help="Makes random methods repeatable.")
@click.option("--batch-size", type=click.IntRange(1), help="Rows that go through the model at once, at most.")
@method_option
@output_options(*KINDS)
@check_options
@model_options
@json_option
@work
def command(
    path: Path,
    methods: Sequence[str],
    toolsets: Sequence[str],
    inputs: InputOptions,
    targets: Sequence[str],
    labels: Path | None,
    layers: Sequence[str],
    neuron: str | None,
    baseline: str | None,
    vocabulary: VocabularyOptions,
    seed: int | None,
    batch_size: int | None,
    options: Sequence[str],
    output: OutputOptions,
    check: CheckOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Explain what MODEL makes of inputs, by any methods of any toolsets.

    Where a method is of another framework, the model is translated, once, the translation is checked, and the result comes
    back in the model's own layout. Several methods, toolsets, layers and targets are run for every input, each failing alone.
    """
    from metannvis_cli.errors import wrong_usage
    from metannvis_cli.explaining import Call, explain_all
    from metannvis_cli.input_files import input_sets
    from metannvis_cli.inputs import check_files, check_request
    from metannvis_cli.outputs import check_endings, check_look, in_folders, is_folder
    from metannvis_cli.requests import one_a_sample, requests
    from metannvis_cli.targets import position, read_aims, read_labels

    if neuron is not None and not layers:
        raise click.BadParameter("a neuron is of a layer: give --layer", param_hint="--neuron")
    with wrong_usage():
        check_endings(output, KINDS)
        check_look(in_folders(output, "all"))
        sets = input_sets(inputs, console, apart=any(map(is_folder, output.paths)))
        for one in sets:
            check_files(one.options)
        names = read_labels(labels)
        words: dict[str, Any] = {
            "labels": names,
            "neuron": position(neuron, "--neuron"),
            "baselines": check_baseline(baseline),
            "seed": seed,
            "batch_size": batch_size,
            **vocabulary.words(),
        }
        aims = read_aims(targets, names, vocabulary)
        asked = requests(
            methods,
            toolsets,
            layers,
            one_a_sample(aims) if len(sets) == 1 else aims,
            options,
            words,
            partial(check_request, inputs=sets[0].options),
            console.note,
        )
    translation = check.of_translate or None
    explain_all(Call(path, model, sets, asked, aims, baseline, translation, output, KINDS), console, as_json=as_json)
