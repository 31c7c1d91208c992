"""Translation of a model file: ``metannvis translate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.model import ModelOptions, model_options
from metannvis_cli.options.values import axes_of
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json


@click.command("translate", epilog=example("metannvis translate net.pt2 net.keras"))
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@input_options
@click.option(
    "--free-axes",
    metavar="AXIS,…",
    callback=lambda ctx, param, value: axes_of(value),
    help="Axes of a PyTorch module's input that may have any size in TARGET, beside the batch: 2,3 for images of any "
    "height and width.",
)
@click.option("--engine", default="auto", show_default=True, help="Which exporter makes the ONNX graph.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Precision of the model to make.")
@check_options
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
@model_options
@json_option
@work
def command(
    source: Path,
    target: Path,
    inputs: InputOptions,
    free_axes: tuple[int, ...],
    engine: str,
    dtype: str | None,
    check: CheckOptions,
    overwrite: bool,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Translate the model file SOURCE to TARGET, whose ending says which framework, and prove the two equal.

    TARGET is only written if outputs, input gradients and every layer agree on --input, or on random inputs.
    """
    from metannvis_translate import translate
    from metannvis_translate.frameworks import framework_of_file

    from metannvis_cli.errors import wrong_usage
    from metannvis_cli.inputs import check_files
    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import refuse_unwritable
    from metannvis_cli.summary import repeat_of_models

    with wrong_usage():
        to = framework_of_file(target)
        check_files(inputs)
    if not target.parent.is_dir():
        raise click.BadParameter(f"the folder {str(target.parent)!r} does not exist", param_hint="TARGET")
    refuse_unwritable(target, overwrite=overwrite)
    opened = open_model(source, model, console, shape=inputs.shape)
    examples = opened.inputs_or_examples(inputs, console)
    translation = translate(
        opened.model,
        to,
        example_inputs=examples,
        shapes=_with_free(free_axes, examples) if free_axes else None,
        engine=engine,
        dtype=dtype,
        progress=console.progress,
        **check.of_translate,
    )
    translation.save(target, overwrite=overwrite)
    console.clear()
    if as_json:
        report = None if translation.report is None else translation.report.to_dict()
        options = {"to": to, "engine": engine, "dtype": dtype, "free_axes": free_axes, **check.of_translate}
        given = {"preprocess": inputs.preprocess, "input_shape": inputs.shape, **asdict(model)}
        echo_json(
            {
                "report": report,
                "notes": list(translation.notes),
                "layers": len(translation.layers),
                "file": str(target),
                "repeat": repeat_of_models({"source": source, "target": target}, inputs.files, {**options, **given}),
            }
        )
        return
    click.echo(translation.report if translation.report is not None else "not checked")
    click.echo(f"wrote {target}")


def _with_free(axes: Sequence[int], examples: Any) -> tuple[int | None, ...]:
    """The shape of the one example input, ``None`` at the batch and at the axes given."""
    from metannvis_translate.errors import InvalidArgumentError

    if isinstance(examples, tuple):
        raise InvalidArgumentError(f"--free-axes is for a model of one input, and this one has {len(examples)}")
    if max(axes) >= examples.ndim:
        raise InvalidArgumentError(
            f"--free-axes {max(axes)}: the input {examples.shape} has axes 1 to {examples.ndim - 1}"
        )
    return tuple(None if axis == 0 or axis in axes else size for axis, size in enumerate(examples.shape))
