"""Patches: functions of a library replaced for a while, in this thread only."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["in_this_thread", "patched"]

Function = Callable[..., Any]


def in_this_thread(ours: Function, theirs: Function) -> Function:
    """A function that is ``ours`` in the thread that runs now and ``theirs`` in all others, which know nothing of a patch."""
    owner = threading.get_ident()

    @functools.wraps(theirs)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        return (ours if threading.get_ident() == owner else theirs)(*args, **kwargs)

    return chosen


@contextmanager
def patched(holder: Any, name: str, ours: Function) -> Iterator[None]:
    """Inside, this thread finds ``ours`` in the place of a function of a module.

    Whoever enters has the process (:func:`~metannvis_translate.process.exclusive`), so that patches come off in order.
    """
    theirs = getattr(holder, name)
    setattr(holder, name, in_this_thread(ours, theirs))
    try:
        yield
    finally:
        setattr(holder, name, theirs)
