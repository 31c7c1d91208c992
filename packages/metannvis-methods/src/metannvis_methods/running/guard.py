"""Guards: the caller's model, tensors and random numbers are left as they were."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from metannvis_translate.process import generators_seeded

from metannvis_methods.models.base import ModelAdapter

__all__ = ["guarded", "own_generators_kept", "seeded", "set_aside"]


class _Running(threading.local):
    """Models that toolkits are at now, outermost first, each with what puts it back; a thread sees its own."""

    def __init__(self) -> None:
        self.models: list[tuple[ModelAdapter, Any, Callable[[], None]]] = []


_running = _Running()


@contextmanager
def guarded(adapter: ModelAdapter, *models: Any, lightly: bool = False) -> Iterator[None]:
    """Inference mode for every model within; each is put back as it was, also if the toolkit fails.

    Inputs need no guard: the toolkit is given copies (:meth:`metannvis_methods.models.base.ModelAdapter.as_input`). ``lightly``
    is for models of ours and methods that only call them.
    """
    guard = adapter.lightly_guarded if lightly else adapter.guarded
    with ExitStack() as stack:
        for model in dict.fromkeys(models) if all(type(m).__hash__ for m in models) else models:
            _running.models.append((adapter, model, stack.enter_context(guard(model))))
            stack.callback(_running.models.pop)
        yield


@contextmanager
def set_aside() -> Iterator[None]:
    """Inside, models that a toolkit is at are as their owners have them; afterwards the toolkit finds them as it left them.

    For a call that comes from a function that a toolkit calls (a score, a callback): its hooks would see a run that is not its
    own, and change it.
    """
    running = _running.models
    if not running:
        yield
        return
    midway = [adapter.state(model) for adapter, model, _ in running]
    for _, _, put_back in reversed(running):
        put_back()
    _running.models = []
    try:
        yield
    finally:
        _running.models = running
        for back in midway:
            back()


@contextmanager
def own_generators_kept(adapter: ModelAdapter, *models: Any) -> Iterator[None]:
    """Afterwards the generators that layers have of their own go on as if nothing had been drawn, whatever ran the models."""
    put_back = [adapter.own_generators(model, None) for model in models if model is not None]
    try:
        yield
    finally:
        for back in put_back:
            back()


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seed every global generator within, and put each one's state back afterwards.

    ``None``: touch nothing. A method that draws at random goes on where the process' generators stand, as its toolkit does.
    """
    if seed is None:
        yield
        return
    with generators_seeded(seed):
        yield
