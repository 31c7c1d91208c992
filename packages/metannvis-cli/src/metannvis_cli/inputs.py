"""Inputs of a command: the files that ``--input`` names, with messages in the command line's words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from metannvis_methods.inputs import InputSpec
from metannvis_methods.inputs import read_inputs as read_files

from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console
from metannvis_cli.wording import WORDING

__all__ = ["are_images", "check_files", "check_request", "is_named", "path_of", "read_inputs"]


def read_inputs(options: InputOptions, specs: Sequence[InputSpec], console: Console) -> Any:
    """What ``--input`` names, as arrays; see :func:`metannvis_methods.inputs.read_inputs`.

    Raises
    ------
    click.BadParameter
        There is no file of that name.
    """
    try:
        return read_files(
            options.files,
            specs,
            scale=options.preprocess or "unit",
            crop=options.crop,
            note=console.note_once,
            wording=WORDING,
        )
    except FileNotFoundError as error:
        raise click.BadParameter(f"no file at {error.filename!r}", param_hint="--input") from error


def check_request(method: str, inputs: InputOptions, **words: Any) -> None:
    """Tell what needs no model, before one is opened: files that are not there, options and words that the method has not.

    Raises
    ------
    click.BadParameter
        There is no file of that name.
    MetannvisError
        As ``explain`` would raise.
    """
    from metannvis_methods.running.request import check_request as check
    from metannvis_methods.running.words import Words

    check_files(inputs)
    check(method, Words(inputs=inputs.files or None, **words))


def check_files(inputs: InputOptions) -> None:
    """Refuse files that are not there.

    Raises
    ------
    click.BadParameter
        One is not.
    """
    for file in inputs.files:
        name, sign, rest = file.partition("=")
        if not Path(file).is_file() and not is_named(file):
            raise click.BadParameter(f"no file at {rest if sign else name!r}", param_hint="--input")


def path_of(text: str) -> Path:
    """The file of a text, which may say which input it is for."""
    return Path(text.partition("=")[2]) if is_named(text) else Path(text)


def is_named(text: str) -> bool:
    """Whether a text says which input its file is for: ``NAME=FILE``."""
    _, sign, rest = text.partition("=")
    return bool(sign) and not Path(text).is_file() and Path(rest).is_file()


def are_images(options: InputOptions) -> bool:
    """Whether ``--input`` names an image."""
    from metannvis_methods.inputs.images import SUFFIXES

    return any(file.lower().endswith(SUFFIXES) for file in options.files)
