"""Notices: warnings of a call, which its result carries as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from metannvis_methods.errors import UnfitError, UnfitWarning

__all__ = ["noticing", "tell"]

_noticed: ContextVar[tuple[list[str], str] | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing(unfit: str = "warn") -> Iterator[list[str]]:
    """Within, what is told is also collected, once each; ``unfit`` says what is done about an ``UnfitWarning``."""
    found: list[str] = []
    token = _noticed.set((found, unfit))
    try:
        yield found
    finally:
        _noticed.reset(token)


def tell(text: str, category: type[Warning], stacklevel: int = 2) -> None:
    """Warn the caller, and keep the text for the result.

    Raises
    ------
    UnfitError
        It is an ``UnfitWarning``, and the caller asked for errors.
    """
    found, unfit = _noticed.get() or ([], "warn")
    if text in found:
        return
    found.append(text)
    if issubclass(category, UnfitWarning) and unfit != "warn":
        if unfit == "raise":
            raise UnfitError(text)
        return
    warnings.warn(text, category, stacklevel=stacklevel + 1)
