"""Baselines of a command: a number, a word, or a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console

if TYPE_CHECKING:
    from metannvis_cli.models import Opened

__all__ = ["baseline_of", "baseline_option", "check_baseline"]

baseline_option = click.option(
    "--baseline",
    metavar="NUMBER|WORD|FILE",
    shell_complete=completion.words("black", "white", "mean", "blur", "noise", "uniform", "neutral"),
    help="Baseline of methods that have one: a number, an .npy or .npz file, or black, white, mean, blur, noise, uniform, "
    "neutral.",
)


def check_baseline(text: str | None) -> Any:
    """A number or a word; 0 for a file that is there, which stands for what it holds until a model is open.

    Raises
    ------
    click.BadParameter
        It is none of these.
    """
    from metannvis_methods.inputs.baselines import BASELINES

    if text is None or text in BASELINES:
        return text
    if _is_number(text):
        return float(text)
    if not Path(text).is_file():
        raise click.BadParameter(
            f"{text!r} is no number, no file, and none of {', '.join(BASELINES)}", param_hint="--baseline"
        )
    return 0.0


def baseline_of(text: str | None, opened: Opened, at_layer: bool, inputs: InputOptions, console: Console) -> Any:
    """A number, a word, or an array in the layout of the inputs, or of the layer's output if a layer is explained."""
    from metannvis_methods.inputs.baselines import BASELINES

    known = check_baseline(text)
    if text is None or text in BASELINES or _is_number(text):
        return known
    from metannvis_cli.inputs import read_inputs

    options = dataclasses.replace(inputs, files=(text,))
    return read_inputs(options, (), console) if at_layer else opened.inputs(options, console)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
