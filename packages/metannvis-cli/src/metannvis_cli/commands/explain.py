"""Explanation of an input: ``metannvis explain``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_option, parse_options, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

if TYPE_CHECKING:
    from metannvis_cli.models import Opened

KINDS = ("figure", "page", "result", "values")


@click.command("explain")
@model_argument
@click.option("--method", "-m", required=True, help="Key of a method; `metannvis methods` lists them.")
@click.option("--toolset", help="Whose method; default: one that needs no translation.")
@input_options
@target_options
@click.option("--layer", "-l", help="Name of a layer of this model, as `metannvis layers` lists them, or auto.")
@click.option("--neuron", metavar="I,J,…", help="Position in that layer's output, the batch left out.")
@click.option(
    "--baseline", metavar="NUMBER|FILE", help="Baseline of methods that have one; an .npy or .npz file, or a number."
)
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
    layer: str | None,
    neuron: str | None,
    baseline: str | None,
    seed: int | None,
    batch_size: int | None,
    options: Sequence[str],
    output: OutputOptions,
    check: CheckOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    r"""Explain what MODEL makes of an input, by any method of any toolset.

    Where the method is of another framework, the model is translated, the translation is checked, and the result
    comes back in the model's own layout.

    \b
    metannvis explain net.pt2 --method grad_cam --toolset tf-keras-vis --layer conv2 \
        --input digit.npy --target 3 --output cam.png
    """
    from metannvis_methods import explain, find_methods

    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import check_outputs, write
    from metannvis_cli.summary import as_dict, as_text
    from metannvis_cli.targets import position, read_labels, read_targets

    own = parse_options(options)
    place = position(neuron, "--neuron")
    check_outputs(output, KINDS)
    find_methods(method, toolset)  # a misspelt name is refused before a model is opened
    names = read_labels(labels)
    target = read_targets(targets, names)
    opened = open_model(path, model, console, shape=inputs.shape)
    result = explain(
        opened.model,
        method,
        opened.inputs(inputs, console),
        target=target,
        labels=names,
        layer=layer,
        neuron=place,
        baselines=_baseline(baseline, opened, layer, console),
        toolset=toolset,
        seed=seed,
        batch_size=batch_size,
        translation=check.of_translate or None,
        progress=console.progress,
        **own,
    )
    write(result, output)
    console.clear()
    if as_json:
        echo_json(as_dict(result, output.paths))
    else:
        click.echo(as_text(result, output.paths))


def _baseline(text: str | None, opened: Opened, layer: str | None, console: Console) -> Any:
    """A number, or an array in the layout of the inputs, or of the layer's output if a layer is explained."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        from metannvis_cli.inputs import read_inputs

        options = InputOptions(files=(text,))
        return opened.inputs(options, console) if layer is None else read_inputs(options, (), console)
