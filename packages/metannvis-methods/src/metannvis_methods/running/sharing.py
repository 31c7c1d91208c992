"""Sharing: predictions that several explanations of one model have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["is_sharing", "recalled", "remember", "shared", "sharing"]

_known: ContextVar[dict[Hashable, tuple[Any, Any]] | None] = ContextVar("known", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Within, what :func:`shared` made for a key is made once."""
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def is_sharing() -> bool:
    """Whether a prediction is made for several explanations."""
    return _known.get() is not None


def shared(key: Hashable, keep: Any, make: Callable[[], Any]) -> Any:
    """What ``make`` makes, or made before for that key. ``keep`` are the objects whose identities the key is of."""
    known = _known.get()
    if known is None:
        return make()
    if key not in known:
        known[key] = (keep, make())
    return known[key][1]


def remember(name: str, value: Any) -> None:
    """Keep a value by a name for whoever shares."""
    known = _known.get()
    if known is not None:
        known[name] = (None, value)


def recalled(name: str) -> Any:
    """What was kept last by a name."""
    return (_known.get() or {})[name][1]
