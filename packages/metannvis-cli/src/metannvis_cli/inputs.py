"""Inputs of a command: the files that ``--input`` names, with messages in the command line's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from metannvis_methods.inputs import InputSpec, Wording
from metannvis_methods.inputs import read_inputs as read_files

from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console

__all__ = ["WORDING", "read_inputs"]

WORDING = Wording(name_files="Say --input NAME=FILE", scale="--scale {}")


def read_inputs(options: InputOptions, specs: Sequence[InputSpec], console: Console) -> Any:
    """What ``--input`` names, as arrays; see :func:`metannvis_methods.inputs.read_inputs`.

    Raises
    ------
    click.BadParameter
        There is no file of that name.
    """
    try:
        return read_files(
            options.files, specs, scale=options.scale, crop=options.crop, note=console.note, wording=WORDING
        )
    except FileNotFoundError as error:
        raise click.BadParameter(f"no file at {error.filename!r}", param_hint="--input") from error
