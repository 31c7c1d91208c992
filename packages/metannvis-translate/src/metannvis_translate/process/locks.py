"""Locks: one for what belongs to the process, and one a model.

They are taken in one order, the process first and the model second. :func:`using` takes a model alone and nothing after it, so
no two threads can wait for each other. All are reentrant: a callback may explain or translate what it likes.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.frameworks.registry import frameworks

__all__ = ["WAITING", "exclusive", "using"]

#: The stage that ``progress`` is told while another thread is at work.
WAITING = "wait for another thread"

_process = threading.RLock()
_registry = threading.RLock()
#: by ``id``: the model, held weakly, and its lock
_models: dict[int, tuple[weakref.ref[Any], Any]] = {}


@contextmanager
def exclusive(*models: Any, progress: Progress | None = None) -> Iterator[None]:
    """Inside, this thread alone uses the models and what belongs to the process, whatever the caller has switched on around it.

    A lock a model would not do for running one: hooks are counted by a number of the whole process, warnings are silenced and
    generators seeded for all threads, models share modules, and two threads whose callbacks explain each other's models would
    wait forever. So whoever runs or translates a model has the process.

    Modes of the caller (``torch.inference_mode``, autocast, a ``tf.Graph`` under construction) do not count inside, see
    :class:`~metannvis_translate.frameworks.Framework`.

    Parameters
    ----------
    models
        What is used: the caller's model and the copy that runs. Those that cannot be referred to weakly are covered by the
        process' lock alone.
    progress
        Told :data:`WAITING` if another thread has to finish first.
    """
    with ExitStack() as stack:
        for lock in (_process, *map(_lock_of, models)):
            _acquire(lock, progress)
            stack.callback(lock.release)
        _enter_plain_modes(stack)
        yield


@contextmanager
def using(model: Any, *, progress: Progress | None = None) -> Iterator[None]:
    """Inside, no other thread runs the model; for a look at its weights, which needs nothing of the process.

    Neither lock may be taken inside, and no callback called.
    """
    lock = _lock_of(model)
    with ExitStack() as stack:
        _acquire(lock, progress)
        stack.callback(lock.release)
        _enter_plain_modes(stack)
        yield


def _enter_plain_modes(stack: ExitStack) -> None:
    for framework in frameworks():
        stack.enter_context(framework.plain_mode())


def _acquire(lock: Any, progress: Progress | None) -> None:
    if lock.acquire(blocking=False):
        return
    if progress is not None:
        progress(0, 1, WAITING)
    lock.acquire()
    if progress is not None:
        try:
            progress(1, 1, WAITING)
        except BaseException:
            lock.release()
            raise


def _lock_of(model: Any) -> Any:
    """The model's lock; it goes when the model does."""
    key = id(model)
    with _registry:
        kept = _models.get(key)
        if kept is not None and kept[0]() is model:
            return kept[1]

        def drop(reference: weakref.ref[Any]) -> None:
            # wherever garbage is collected, in this thread too while it has the registry
            if key in _models and _models[key][0] is reference:
                del _models[key]

        lock = threading.RLock()
        with suppress(TypeError):
            _models[key] = (weakref.ref(model, drop), lock)
        return lock
