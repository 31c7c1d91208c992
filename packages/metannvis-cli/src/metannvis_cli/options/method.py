"""Options of a method: of what it explains, and the toolkit's own."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from metannvis_cli.option_words import WORDS
from metannvis_cli.options import completion
from metannvis_cli.options.grouping import Function, together

__all__ = [
    "literal",
    "method_name_option",
    "method_names_option",
    "method_option",
    "parse_options",
    "scoped_options",
    "target_options",
]

#: Words that a shell knows for what Python writes otherwise.
PLAIN = {"true": True, "false": False, "none": None, "null": None}


def _labels(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    if value is None or value == "folders":
        return None if value is None else Path(value)
    path: Path = click.Path(exists=True, dir_okay=False, path_type=Path).convert(value, parameter, ctx)
    return path


target_options = together(
    click.option(
        "--target",
        "-t",
        "targets",
        multiple=True,
        metavar="CLASS",
        shell_complete=completion.classes,
        help="Index of a class, its name with --labels, or a position I,J,… in a dense output; "
        "several: one a sample of a batch of so many, else each for every input; `negative`: what speaks against a single "
        "output; `folder`: the class that an input's folder is called after. Default: the predicted class.",
    ),
    click.option(
        "--labels",
        callback=_labels,
        metavar="FILE|folders",
        help="Names of the classes: one a line, a JSON list or object, a .csv with a column of names; `folders`: the names of "
        "the folders that the inputs lie in, in the order of the alphabet.",
    ),
)


def folded(name: str) -> str:
    """The key of a method or a toolset as keys are compared: without regard to case, ``-`` and ``_``."""
    return name.strip().casefold().replace("-", "_")


def _one(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str:
    if len(value) > 1:
        raise click.BadParameter(f"one method a run, not {len(value)}: {', '.join(value)}", ctx=ctx, param=parameter)
    return value[0]


def method_name_option(text: str) -> Function:
    """``--method``, once."""
    return click.option(
        "--method", "-m", required=True, multiple=True, callback=_one, help=text, shell_complete=completion.methods
    )


method_option = click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completion.options,
    help="Option of the method, by the toolkit's name; the value is a Python literal, or words: regularizers=norm:0.3,"
    "total_variation. Of one method or toolset: METHOD:NAME=VALUE. `metannvis describe METHOD` lists both.",
)


def method_names_option(text: str, default: str | None = None) -> Function:
    """``--method``, as often as wanted."""
    how: dict[str, Any] = {"required": True} if default is None else {"default": (default,), "show_default": default}
    complete = completion.methods
    return click.option("--method", "-m", "methods", multiple=True, help=text, shell_complete=complete, **how)


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


def scoped_options(
    texts: Sequence[str], methods: Sequence[str], toolsets: Sequence[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Options of every method, and those of one method or toolset: ``METHOD:NAME=VALUE``, by their folded keys.

    Raises
    ------
    click.BadParameter
        As :func:`parse_options`; what stands before the colon is none of the methods and toolsets of the call.
    """
    known = {folded(name): name for name in (*methods, *toolsets)}
    everyone: list[str] = []
    single: dict[str, list[str]] = {}
    for text in texts:
        scope, colon, rest = text.partition(":")
        if not colon or "=" in scope:
            everyone.append(text)
        elif folded(scope) in known:
            single.setdefault(folded(scope), []).append(rest)
        else:
            raise click.BadParameter(
                f"{text!r}: {scope!r} is none of this call's methods and toolsets: {', '.join(known.values())}",
                param_hint="--option",
            )
    return parse_options(everyone), {scope: parse_options(rest) for scope, rest in single.items()}
