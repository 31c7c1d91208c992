"""Garbage collection, put off while a graph is built."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["gc_paused"]


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Inside, Python does not search for garbage; it does again afterwards, if it did before.

    A graph or a model in the making is hundreds of thousands of small objects that all stay. Python would go through them,
    and through all that the frameworks' imports have left, again and again: up to half of the time that a step takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
