"""Notices: warnings of a call, which its result carries as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["noticing", "tell"]

_noticed: ContextVar[list[str] | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing() -> Iterator[list[str]]:
    """Within, what is told is also collected, once each."""
    found: list[str] = []
    token = _noticed.set(found)
    try:
        yield found
    finally:
        _noticed.reset(token)


def tell(text: str, category: type[Warning], stacklevel: int = 2) -> None:
    """Warn the caller, and keep the text for the result."""
    found = _noticed.get()
    if found is not None and text not in found:
        found.append(text)
    warnings.warn(text, category, stacklevel=stacklevel + 1)
