"""How an error ends the command: one message on stderr and exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from metannvis_cli.progress import Console

__all__ = ["Failure", "reported"]


class Failure(click.ClickException):
    """The work failed. click ends the process with the exit code."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message; click calls this."""
        click.echo(f"error: {self.format_message()}", file=file, err=file is None)


@contextmanager
def reported(console: Console) -> Iterator[None]:
    """Turn exceptions of the work into messages; ``--debug`` lets them through, with their traceback.

    Raises
    ------
    Failure
        An error of ours, of the operating system, or one that nobody foresaw, which is a bug and says so.
    """
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        console.clear()
        if console.debug:
            raise
        raise Failure(_message(error)) from error
    finally:
        console.clear()


def _message(error: Exception) -> str:
    from metannvis_translate.errors import MetannvisError

    if isinstance(error, MetannvisError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    first = (str(error).strip().splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {first} (--debug shows where)"
