"""Errors and interruptions of a command: one message on stderr, and exit code 1 or 130."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

import click

from metannvis_cli.option_words import in_options
from metannvis_cli.progress import Console

__all__ = ["Failure", "Interrupted", "interruptible", "message_of", "reported", "wrong_usage"]


class Failure(click.ClickException):
    """The work failed. click ends the process with the exit code."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message; click calls this."""
        click.echo(f"error: {self.format_message()}", file=file, err=file is None)


class Interrupted(click.ClickException):
    """Somebody pressed Ctrl-C. click ends the process with the exit code that shells have for that."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message; click calls this."""
        click.echo(self.format_message(), file=file, err=file is None)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command, also where a library turns the interruption into an error of its own.

    Python raises ``KeyboardInterrupt`` wherever it is; in the middle of an import or of an exporter that becomes some other
    error of theirs. So it is noted that the signal came.

    Raises
    ------
    Interrupted
        It came.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    # a handler can be set in the main thread only; another one, or an ignored signal, is left as it is
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except KeyboardInterrupt:
        came.append(signal.SIGINT)
        raise Interrupted from None
    except Exception:
        if came:
            raise Interrupted from None
        raise
    finally:
        if came:
            # An exec() that is interrupted (each dataclass is made by one) marks the process to be killed by the signal in the
            # end, instead of ending with the exit code; Python takes the mark off when it next evaluates a text.
            eval("None")  # noqa: S307
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def reported(console: Console) -> Iterator[None]:
    """Turn exceptions of the work into messages; ``--debug`` lets them through, with their traceback.

    Raises
    ------
    Failure
        An error of ours, of the operating system, or an unexpected one, which is a bug; its message says so.
    """
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        console.clear()
        if console.debug:
            raise
        raise Failure(message_of(error)) from error
    finally:
        console.clear()


@contextmanager
def wrong_usage() -> Iterator[None]:
    """What is refused before a model is opened is wrong usage, whichever package refuses it.

    Raises
    ------
    click.UsageError
        An argument cannot be used, is missing, or names what there is not.
    """
    from metannvis_methods.errors import (
        InvalidArgumentError,
        MissingArgumentError,
        UnknownFrameworkError,
        UnknownMethodError,
        UnknownMetricError,
        UnknownToolsetError,
    )

    context = click.get_current_context(silent=True)
    if context is not None and (context.params.get("debug") or context.find_root().params.get("debug")):
        yield
        return
    try:
        yield
    except (
        InvalidArgumentError,
        MissingArgumentError,
        UnknownFrameworkError,
        UnknownMethodError,
        UnknownMetricError,
        UnknownToolsetError,
    ) as error:
        raise click.UsageError(in_options(str(error))) from error


def message_of(error: Exception) -> str:
    """One message for an error, in the words of the command line."""
    from metannvis_translate.errors import MetannvisError, first_line

    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, MetannvisError):
        return in_options(str(error))
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    return f"unexpected {type(error).__name__}: {first_line(error)} (--debug shows where)"
