"""Keeps what frameworks write about themselves off stderr; only the command line does this, never a library."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TextIO

from metannvis_cli.progress import Console

__all__ = ["calm", "native_stderr_kept_back"]

#: Loggers and warnings of ours begin so.
OURS = "metannvis"


@contextmanager
def calm(console: Console) -> Iterator[None]:
    """Show warnings and log messages of ours as one line each, and none of the frameworks' (``--debug``: all)."""
    if console.debug:
        yield
        return
    loud = "TF_CPP_MIN_LOG_LEVEL" in os.environ  # whoever has set it wants to see what it lets through
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    finder = _QuietTensorFlow()
    if not loud:
        sys.meta_path.insert(0, finder)
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
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        if not loud:
            os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)


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
            console.note(f"warning: {' '.join(str(message).split())}")

    return show


class _Lines(logging.Handler):
    """Writes our log messages to the console, a line each."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(OURS):
            word = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            self.console.note(word + " ".join(record.getMessage().split()))


#: Packages whose import writes to standard error from C++.
LOUD = frozenset({"tensorflow"})


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Finds ``tensorflow`` as usual and lets it be imported with its native standard error kept back.

    Its C++ parts write before any logging level counts for them, so the file descriptor itself is turned away.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The usual spec with a loader that keeps quiet."""
        if fullname not in LOUD:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _QuietLoader(fullname, spec.loader.path)
        return spec


class _QuietLoader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with native_stderr_kept_back():
            super().exec_module(module)


@contextmanager
def native_stderr_kept_back() -> Iterator[None]:
    """What is written to file descriptor 2 meanwhile is dropped, unless an exception leaves: then it is written."""
    sys.stderr.flush()
    try:
        real = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            if failed:
                kept.seek(0)
                os.write(2, kept.read())
