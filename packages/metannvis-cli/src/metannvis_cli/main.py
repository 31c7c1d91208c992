"""The ``metannvis`` command. A command's module is imported when the command is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

import click

from metannvis_cli.__about__ import __version__
from metannvis_cli.command_line import note_arguments
from metannvis_cli.errors import interruptible

__all__ = ["COMMANDS", "cli"]

#: Every command, in the order in which the help lists them, each in the module of its name.
COMMANDS = (
    "demo",
    "methods",
    "describe",
    "layers",
    "explain",
    "visualize",
    "dissect",
    "compare",
    "evaluate",
    "translate",
    "check",
    "export-help",
    "completion",
)


class Commands(click.Group):
    """Commands that are imported late, and a hint for one that is misspelt."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, its module imported."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"metannvis_cli.commands.{name.replace('-', '_')}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; results say which command repeats them."""
        note_arguments(ctx, args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; the error for an unknown command names a close one."""
        close = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and close:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; Ctrl-C ends the command with exit code 130."""
        with interruptible():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="metannvis")
@click.option("--debug", is_flag=True, help="Show where an error came from, and what libraries say.")
@click.option("--quiet", "-q", is_flag=True, help="Nothing on stderr but errors.")
@click.option("--verbose", "-v", is_flag=True, help="Say on stderr what is done.")
def cli(debug: bool, quiet: bool, verbose: bool) -> None:
    """Explain neural networks of any framework with the toolkits of any other.

    Models are .pt2, .keras, .h5 and .onnx files. `metannvis demo` shows what there is.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted.
    """
