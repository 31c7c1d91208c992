"""Translation cache: a translation is kept as long as the caller keeps the model, and made anew when its weights change."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.process import exclusive

from metannvis_methods.registry.toolset import Progress

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = ["Cache", "cache", "signature", "stamp"]

#: Models opened from files that are kept: as many as a comparison of two needs.
FILES = 2


class Cache:
    """What was made of a model, by the model's identity, a slot and a fingerprint of its content.

    Only the latest content of a slot is kept. The model is held weakly, and nothing kept refers to it: a
    dropped model goes, and takes with it what was made of it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._models: dict[int, tuple[weakref.ref[Any], dict[Any, tuple[Hashable, Any]]]] = {}
        self._files: OrderedDict[Any, Any] = OrderedDict()

    def get(
        self,
        model: Any,
        slot: Any,
        fingerprint: Hashable,
        make: Callable[[], Any],
        *,
        afterwards: Callable[[], Hashable] | None = None,
    ) -> Any:
        """What ``make`` made of the model for this slot, made again if the fingerprint differs.

        ``fingerprint=None`` says that the content cannot be told: it is made each time. ``afterwards`` gives the fingerprint
        once more: what was made while the caller's own code changed the model is of neither content, and not kept.

        Whoever calls this has the process (:func:`metannvis_translate.process.exclusive`), so that nothing is made twice.
        """
        slots = None if fingerprint is None else self._slots(model)
        if slots is None:
            return make()
        with self._lock:
            kept = slots.get(slot)
        if kept is not None and kept[0] == fingerprint:
            return kept[1]
        made = make()
        if afterwards is not None and afterwards() != fingerprint:
            return made
        with self._lock:
            slots[slot] = (fingerprint, made)
        return made

    def translation(
        self,
        model: Any,
        slot: Any,
        fingerprint: str | None,
        make: Callable[[], Translation],
        *,
        afterwards: Callable[[], str | None] | None = None,
    ) -> Translation:
        """Like :meth:`get`, for a translation, which is kept without its source."""
        fresh: list[Translation] = []

        def without_source() -> Translation:
            fresh.append(make())
            return dataclasses.replace(fresh[0], source=None)

        kept: Translation = self.get(model, slot, fingerprint, without_source, afterwards=afterwards)
        return fresh[0] if fresh else dataclasses.replace(kept, source=model)

    def file(self, path: Path, options: Any, load: Callable[[], Any], *, progress: Progress | None = None) -> Any:
        """A model loaded from a file, loaded again if the file has changed since."""
        key = (path.resolve(), stamp(path), repr(options))
        found = self._known(key)
        if found is not None:
            return found
        with exclusive(progress=progress):  # one thread loads it, the others take that
            found = self._known(key)
            if found is None:
                found = load()
                with self._lock:
                    self._files[key] = found
                    while len(self._files) > FILES:
                        self._files.popitem(last=False)
        return found

    def _known(self, key: Any) -> Any:
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
            return self._files.get(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._models.clear()
            self._files.clear()

    def __len__(self) -> int:
        return sum(len(slots) for _, slots in self._models.values())

    def _slots(self, model: Any) -> dict[Any, tuple[Hashable, Any]] | None:
        key = id(model)
        with self._lock:
            kept = self._models.get(key)
            if kept is not None and kept[0]() is model:
                return kept[1]

            def drop(reference: weakref.ref[Any]) -> None:
                if key in self._models and self._models[key][0] is reference:
                    del self._models[key]

            try:
                reference = weakref.ref(model, drop)
            except TypeError:  # a class without room for weak references: nothing is kept rather than the model
                return None
            slots: dict[Any, tuple[Hashable, Any]] = {}
            self._models[key] = (reference, slots)
            return slots


#: The cache of this process.
cache = Cache()


def signature(values: Sequence[Any], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a translation depends on: the inputs' shapes without the batch, their dtypes, the options."""
    inputs = tuple((tuple(np.shape(value))[1:], str(getattr(value, "dtype", ""))) for value in values)
    return inputs, tuple(sorted((name, _frozen(value)) for name, value in options.items()))


def _frozen(value: Any) -> str:
    if isinstance(value, Mapping):
        return repr(sorted((str(key), _frozen(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return repr([_frozen(item) for item in value])
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha1(value.tobytes(), usedforsecurity=False).hexdigest()}"
    return repr(value)


def stamp(path: Path) -> tuple[int, int]:
    """Newest change and total size of a file, or of what a folder holds."""
    files = [entry for entry in path.rglob("*") if entry.is_file()] if path.is_dir() else [path]
    stats = [entry.stat() for entry in files]
    return max((stat.st_mtime_ns for stat in stats), default=0), sum(stat.st_size for stat in stats)
