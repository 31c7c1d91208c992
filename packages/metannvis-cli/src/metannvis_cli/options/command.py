"""Options of every command: how much it says, and how large a file it takes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from metannvis_cli.errors import reported
from metannvis_cli.options.grouping import Function
from metannvis_cli.progress import Console
from metannvis_cli.quiet_libraries import quiet_libraries

__all__ = ["json_option", "raised_limits", "work"]

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")


def work(function: Function) -> Function:
    """The function of a command: it gets ``console=``, errors end it with a message, libraries are quiet while it runs."""

    @click.option("--debug", is_flag=True, help="Show where an error came from, and what libraries say.")
    @click.option("--quiet", "-q", is_flag=True, help="Nothing on stderr but errors.")
    @click.option("--verbose", "-v", is_flag=True, help="Say on stderr what is done.")
    @click.option(
        "--limit",
        "raised",
        multiple=True,
        metavar="NAME=NUMBER",
        help="Allow a file to come to more: nodes, unpacked_bytes, … as the message says that refuses it.",
    )
    @click.pass_context
    @functools.wraps(function)
    def run(
        ctx: click.Context,
        /,
        *args: Any,
        debug: bool,
        quiet: bool,
        verbose: bool,
        raised: Sequence[str],
        **kwargs: Any,
    ) -> Any:
        above = ctx.find_root().params
        console = Console(
            quiet=quiet or above.get("quiet", False),
            verbose=verbose or above.get("verbose", False),
            debug=debug or above.get("debug", False),
        )
        with reported(console), quiet_libraries(console), raised_limits(raised):
            return function(*args, console=console, **kwargs)

    return run


def raised_limits(texts: Sequence[str]) -> AbstractContextManager[Any]:
    """The limits that ``--limit`` sets, inside a ``with`` block.

    Raises
    ------
    click.BadParameter
        A text is no ``NAME=NUMBER``, or there is no limit of that name.
    """
    if not texts:
        return nullcontext()
    figures: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise click.BadParameter(f"{text!r} has to read NAME=NUMBER", param_hint="--limit")
        figures[name.strip().replace("-", "_")] = int(number)
    from metannvis_translate import InvalidArgumentError, limits

    try:
        return limits(**figures)
    except InvalidArgumentError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
