"""Deadlines: a run ends with what there is, or with an error, when its time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from metannvis_methods.errors import DeadlineError

__all__ = ["end_of", "ending_with", "in_time", "share_of", "until"]

#: When the time of the calls is over that this one is made by.
_end: ContextVar[float] = ContextVar("end", default=math.inf)


def end_of(seconds: float | None) -> float | None:
    """When so many seconds from now are over, as ``time.monotonic`` counts; no later than :func:`until` says."""
    end = min(_end.get(), math.inf if seconds is None else time.monotonic() + seconds)
    return None if end == math.inf else end


@contextmanager
def until(end: float | None) -> Iterator[None]:
    """Within, calls end by then, whatever their own deadline is."""
    token = _end.set(min(_end.get(), math.inf if end is None else end))
    try:
        yield
    finally:
        _end.reset(token)


def share_of(end: float | None, runs: int) -> float | None:
    """When the first of so many runs has had its equal share of the time that is left."""
    return None if end is None else time.monotonic() + (end - time.monotonic()) / runs


def in_time(deadline: float | None, method: str) -> None:
    """Raise if the time is over.

    Raises
    ------
    DeadlineError
        It is.
    """
    if deadline is not None and time.monotonic() > deadline:
        raise DeadlineError(
            f"{method} was not done in time: give it more, fewer steps, samples or features, or noise= over a quick method, "
            "which ends with the samples there are"
        )


def ending_with(
    deadline: float | None, method: str, progress: Callable[[int, int, str], None] | None
) -> Callable[[int, int, str], None] | None:
    """Progress at which what tells of it ends when the time is over."""
    if deadline is None:
        return progress

    def told(done: int, total: int, stage: str) -> None:
        in_time(deadline, method)
        if progress is not None:
            progress(done, total, stage)

    return told
