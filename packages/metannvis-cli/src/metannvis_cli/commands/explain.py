"""Explanation of an input: ``metannvis explain``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.baseline import baseline_of, baseline_option, check_baseline
from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_name_option, method_option, parse_options, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

KINDS = ("figure", "page", "result", "values")


@click.command(
    "explain",
    epilog=example(
        "metannvis explain net.pt2 --method grad_cam --toolset tf-keras-vis \\",
        "    --layer conv2 --input digit.npy --target 3 --output cam.png",
    ),
)
@model_argument
@method_name_option("Key of a method; `metannvis methods` lists them.")
@click.option("--toolset", help="Whose method; default: one that needs no translation.")
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
@click.option("--seed", type=int, help="Makes random methods repeatable.")
@click.option("--batch-size", type=click.IntRange(1), help="Rows that go through the model at once, at most.")
@method_option
@output_options(*KINDS)
@check_options
@model_options
@json_option
@work
def command(
    path: Path,
    method: str,
    toolset: str | None,
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
    """Explain what MODEL makes of an input, by any method of any toolset.

    Where the method is of another framework, the model is translated, the translation is checked, and the result
    comes back in the model's own layout.
    """
    from metannvis_methods import explain, find_methods

    from metannvis_cli.inputs import check_request
    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import check_outputs, in_folders, of_layer, write
    from metannvis_cli.summary import as_dict, as_text
    from metannvis_cli.targets import position, read_labels, read_targets

    own = parse_options(options)
    place = position(neuron, "--neuron")
    output = in_folders(output, method)
    check_outputs(output, KINDS)
    find_methods(method, toolset)  # a misspelt name is refused before a model is opened
    names = read_labels(labels)
    target = vocabulary.aimed(read_targets(targets, names))
    words = vocabulary.words()
    layer = layers[0] if len(layers) == 1 else list(layers) or None
    for name in layers if len(layers) > 1 else ():
        check_outputs(of_layer(output, name), KINDS)
    known = {"target": target, "layer": layer, "neuron": place, "baselines": check_baseline(baseline), "labels": names}
    check_request(method, inputs, toolset=toolset, seed=seed, batch_size=batch_size, options=own, **known, **words)
    opened = open_model(path, model, console, shape=inputs.shape)
    result: Any = explain(
        opened.model,
        method,
        **opened.explained(inputs, console),
        target=target,
        labels=names,
        layer=layer,
        neuron=place,
        baselines=baseline_of(baseline, opened, bool(layers), inputs, console),
        toolset=toolset,
        seed=seed,
        batch_size=batch_size,
        translation=check.of_translate or None,
        progress=console.progress,
        options=own,
        **words,
    )
    results = {str(name): one for name, one in result.items()} if isinstance(result, dict) else {"": result}
    files = {name: of_layer(output, name) if name else output for name in results}
    for name, one in results.items():
        write(one, files[name], inputs.names)
    console.clear()
    told = [as_dict(one, files[name].paths) for name, one in results.items()]
    if as_json:
        echo_json(told[0] if len(told) == 1 else told)
    else:
        click.echo("\n\n".join(as_text(one, files[name].paths) for name, one in results.items()))
