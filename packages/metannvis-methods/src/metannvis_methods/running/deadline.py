"""Deadlines: a run ends with what there is, or with an error, when its time is over."""

from __future__ import annotations

import time
from typing import Any

from metannvis_methods.errors import DeadlineError, InvalidArgumentError

__all__ = ["deadline_word", "in_time"]


def deadline_word(value: Any) -> float | None:
    """``deadline`` as the caller gave it, in seconds, as a time of ``time.monotonic``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidArgumentError(f"deadline is a number of seconds above 0, not {value!r}")
    return time.monotonic() + float(value)


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
