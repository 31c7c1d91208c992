"""Deadlines: a run ends with what there is, or with an error, when its time is over."""

from __future__ import annotations

import time

from metannvis_methods.errors import DeadlineError

__all__ = ["end_of", "in_time"]


def end_of(seconds: float | None) -> float | None:
    """When so many seconds from now are over, as ``time.monotonic`` counts."""
    return None if seconds is None else time.monotonic() + seconds


def in_time(deadline: float, method: str) -> None:
    """Raise if the time is over.

    Raises
    ------
    DeadlineError
        It is.
    """
    if time.monotonic() > deadline:
        raise DeadlineError(
            f"{method} was not done in time: give it more, fewer steps, samples or features, or noise= over a quick method, "
            "which ends with the samples there are"
        )
