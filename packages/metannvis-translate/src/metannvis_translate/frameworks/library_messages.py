"""Library messages: what TensorFlow's native code writes to standard error about itself, kept back while it is imported."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LIBRARY_MESSAGES", "are_shown", "kept_back"]

#: Environment variable that lets libraries write what they like: ``METANNVIS_LIBRARY_MESSAGES=1``.
LIBRARY_MESSAGES = "METANNVIS_LIBRARY_MESSAGES"
#: TensorFlow's own, which it reads once, while it is imported. A user who has set it has decided.
LEVEL = "TF_CPP_MIN_LOG_LEVEL"
#: Levels at which nothing but the end of the process is told.
SILENT = ("3", "4")
#: A line of TensorFlow's log, and the line before the first.
THEIRS = re.compile(rb"[IWE]\d{4} \d\d:|[IWE]0000 00:00:|WARNING: All log messages before absl::InitializeLog\(\)")


def are_shown() -> bool:
    """Whether the user wants to see what libraries say: :data:`LIBRARY_MESSAGES` is set, or a level of TensorFlow's own."""
    return os.environ.get(LIBRARY_MESSAGES, "0") not in ("", "0") or os.environ.get(LEVEL, "3") not in SILENT


@contextmanager
def kept_back() -> Iterator[None]:
    """Inside, TensorFlow can be imported without a greeting; afterwards it tells of no CPU, no GPU and no plug-in either.

    Its native code writes before any level of logging applies to it, so file descriptor 2 itself is redirected. What stands
    there and is no line of TensorFlow's, of another thread perhaps, is written at the end; if an exception leaves, all is.
    """
    if are_shown():
        yield
        return
    sys.stderr.flush()
    try:
        real = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    level = os.environ.get(LEVEL)
    os.environ[LEVEL] = "3"
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
            if level is None:
                os.environ.pop(LEVEL, None)
            else:
                os.environ[LEVEL] = level
            kept.seek(0)
            lines = [line for line in kept if failed or not THEIRS.match(line)]
            if lines:
                os.write(2, b"".join(lines))
