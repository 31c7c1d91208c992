"""Quiet libraries: warnings and log messages of ours as lines, and none of the frameworks'."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from metannvis_cli.option_words import in_options
from metannvis_cli.progress import Console

__all__ = ["quiet_libraries"]

#: Loggers and warnings of ours begin so.
OURS = "metannvis"


@contextmanager
def quiet_libraries(console: Console) -> Iterator[None]:
    """Show warnings and log messages of ours as one line each, and none of the frameworks' (``--debug``: all)."""
    if console.debug:
        with _shown():
            yield
        return
    root = logging.getLogger()
    handler = _Lines(console)
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if console.verbose else logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _shower(console)
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _shown() -> Iterator[None]:
    """Libraries write what they like, as they do for who sets the variable."""
    from metannvis_translate.frameworks import LIBRARY_MESSAGES

    before = os.environ.get(LIBRARY_MESSAGES)
    os.environ[LIBRARY_MESSAGES] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(LIBRARY_MESSAGES, None)
        else:
            os.environ[LIBRARY_MESSAGES] = before


def _shower(console: Console) -> Any:
    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category.__module__.startswith(OURS):
            console.note(f"warning: {in_options(' '.join(str(message).split()))}")

    return show


class _Lines(logging.Handler):
    """Writes our log messages to the console, a line each."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(OURS):
            word = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            self.console.note(word + in_options(" ".join(record.getMessage().split())))
