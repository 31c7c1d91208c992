"""Options of a method: of what it explains, and the toolkit's own."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options.grouping import together

__all__ = ["literal", "method_name_option", "method_option", "parse_options", "target_options"]

#: Words of ``metannvis_methods.explain`` that have an option of their own.
WORDS = {
    "inputs": "--input",
    "target": "--target",
    "labels": "--labels",
    "layer": "--layer",
    "neuron": "--neuron",
    "baselines": "--baseline",
    "toolset": "--toolset",
    "seed": "--seed",
    "batch_size": "--batch-size",
    "output": "--model-output",
    "reshape": "--reshape",
    "feature_mask": "--feature-mask",
    "data": "--data",
    "value_range": "--value-range",
    "preprocess": "--preprocess",
    "device": "--device",
    "autocast": "--autocast",
    "noise": "--noise",
    "unfit": "--unfit",
    "deadline": "--deadline",
    "logits": "--logits",
    "translation": "--no-verify and others",
    "progress": "--quiet",
    "options": "--option, once for each",
}
#: Words that a shell knows for what Python writes otherwise.
PLAIN = {"true": True, "false": False, "none": None, "null": None}

target_options = together(
    click.option(
        "--target",
        "-t",
        "targets",
        multiple=True,
        metavar="CLASS",
        help="Index of a class, its name with --labels, or a position I,J,… in a dense output; "
        "several: one a sample; `negative`: what speaks against a single output. Default: the predicted class.",
    ),
    click.option(
        "--labels",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Names of the classes: one a line, a JSON list or object, a .csv with a column of names.",
    ),
)


def _one(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str:
    if len(value) > 1:
        raise click.BadParameter(f"one method a run, not {len(value)}: {', '.join(value)}", ctx=ctx, param=parameter)
    return value[0]


def method_name_option(text: str) -> Any:
    """``--method``, once."""
    return click.option("--method", "-m", required=True, multiple=True, callback=_one, help=text)


method_option = click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the method, by the toolkit's name; the value is a Python literal, or words: regularizers=norm:0.3,"
    "total_variation. `metannvis describe METHOD` lists both.",
)


def literal(text: str) -> Any:
    """A Python literal, or ``true``, ``false``, ``none``; other text is a string. Runs no code."""
    if text.casefold() in PLAIN:
        return PLAIN[text.casefold()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def parse_options(texts: Sequence[str], taken: Mapping[str, str] = WORDS) -> dict[str, Any]:
    """``NAME=VALUE`` texts as keyword arguments.

    Raises
    ------
    click.BadParameter
        A text has no ``=``, a name is no identifier, is given twice, or has an option of its own.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not name.isidentifier():
            raise click.BadParameter(f"{text!r} has to read NAME=VALUE", param_hint="--option")
        if name in taken:
            raise click.BadParameter(f"{name} has an option of its own: {taken[name]}", param_hint="--option")
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param_hint="--option")
        found[name] = literal(value.strip())
    return found
