"""The command line as it was given: what repeats a result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

__all__ = ["command_line", "note_arguments"]

KEY = "metannvis_cli.arguments"


def note_arguments(context: click.Context, arguments: Sequence[str]) -> None:
    """Keep the arguments of the whole command for :func:`command_line`."""
    context.meta[KEY] = list(arguments)


def command_line() -> str:
    """The command that is run, as a shell takes it."""
    context = click.get_current_context(silent=True)
    return shlex.join(["metannvis", *(sys.argv[1:] if context is None else context.meta.get(KEY, sys.argv[1:]))])
