"""Explanation of inputs: ``metannvis explain``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.baseline import baseline_option, check_baseline
from metannvis_cli.options.check import CheckOptions, check_options
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
    from metannvis_cli.input_files import InputSet
    from metannvis_cli.models import Opened
    from metannvis_cli.requests import Request

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
@toolsets_option()
@input_options
@target_options
@layers_option("as `metannvis layers` lists them, or auto; several: a result and files each.")
@neuron_option("that layer's output")
@baseline_option
@vocabulary_options()
@seed_option("Makes random methods repeatable.")
@batch_size_option()
@method_option
@output_options(*KINDS)
@check_options
@model_options
@json_option
@work
@as_run
def command(
    path: Path,
    run: RunOptions,
    inputs: InputOptions,
    vocabulary: VocabularyOptions,
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
    from metannvis_cli.explaining import Call, checked_sets, explain_all
    from metannvis_cli.inputs import check_request, path_of
    from metannvis_cli.outputs import check_output
    from metannvis_cli.requests import one_a_sample, requests
    from metannvis_cli.targets import (
        FOLDER,
        FOLDERS,
        labels_of_folders,
        position,
        read_aims,
        read_labels,
        targets_of_folders,
    )

    run.check_neuron()
    with wrong_usage():
        check_output(output, KINDS)
        sets = checked_sets(inputs, output, console)
        files = [[path_of(file) for file in one.options.files] for one in sets]
        names = labels_of_folders(files) if run.labels == Path(FOLDERS) else read_labels(run.labels)
        words: dict[str, Any] = {
            "labels": names,
            "neuron": position(run.neuron, "--neuron"),
            "baselines": check_baseline(run.baseline),
            "seed": run.seed,
            "batch_size": run.batch_size,
            **vocabulary.words(),
        }
        aims = read_aims(run.targets, names, vocabulary)
        own = (
            targets_of_folders(files, names)
            if [aim.text for aim in aims] == [FOLDER] and aims[0].target is None
            else []
        )
        asked = requests(
            run,
            one_a_sample(aims) if len(sets) == 1 else aims,
            words,
            partial(check_request, inputs=sets[0].options),
            console.note,
        )
    of_folder = {one.name: vocabulary.aimed(target) for one, target in zip(sets, own, strict=False)}

    def more(opened: Opened, one: InputSet, request: Request) -> Mapping[str, Any]:
        return {"target": of_folder[one.name]} if of_folder else {}

    call = Call(path, model, sets, asked, aims, run.baseline, check.of_translate or None, output, KINDS, more)
    explain_all(call, console, as_json=as_json)
