"""Records: what a call was, so that it can be made again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["Record", "decoded", "encoded", "repeat", "repeats_records"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Lost:
    """A value that no file holds: a function, an object of a toolkit."""

    name: str


@dataclass(frozen=True)
class Record:
    """What a call was.

    Attributes
    ----------
    words
        Every word that was given to :func:`metannvis_methods.explain` beside model, method and inputs.
    model
        ``file`` and its ``sha256``, for a model that was given as a path; its ``framework``.
    versions
        Of the packages that took part.
    """

    words: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[str, ...]:
        """Words whose values the record does not hold: functions, objects of a toolkit."""
        return tuple(name for name, value in self.words.items() if _holds_lost(value))


_repeaters: list[Callable[..., Any]] = []


def repeats_records(function: Callable[..., Any]) -> Callable[..., Any]:
    """Name the function that makes a call again: results do not know what made them."""
    _repeaters[:] = [function]
    return function


def repeat(explanation: Any, model: Any, **changes: Any) -> Any:
    """Make the call of an explanation again, by the function that :func:`repeats_records` named."""
    return _repeaters[0](explanation, model, **changes)


def _holds_lost(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_lost, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_lost, value))
    return isinstance(value, Lost) or (callable(value) and not dataclasses.is_dataclass(value))


def encoded(value: Any, store: Callable[[Array], str], words: Mapping[str, type]) -> Any:
    """A value as JSON holds it; an array goes to ``store``, which names it.

    ``words`` are the classes of the vocabulary (``SegmentationTarget`` and so on), by their names.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic):
        return encoded(value.item(), store, words)
    if isinstance(value, list):
        return [encoded(item, store, words) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encoded(item, store, words) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encoded(key, store, words), encoded(item, store, words)] for key, item in value.items()]}
    if type(value).__name__ in words and dataclasses.is_dataclass(value):
        fields = {f.name: encoded(getattr(value, f.name), store, words) for f in dataclasses.fields(value)}
        return {"word": type(value).__name__, "fields": fields}
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        from metannvis_methods.models.arrays import to_numpy

        try:
            return {"array": store(to_numpy(value))}
        except InvalidArgumentError:
            pass
    if isinstance(value, Lost):
        return {"lost": value.name}
    return {"lost": str(getattr(value, "__qualname__", None) or type(value).__qualname__)}


def decoded(value: Any, arrays: Mapping[str, Array], words: Mapping[str, type]) -> Any:
    """What :func:`encoded` made the value of.

    Raises
    ------
    KeyError, TypeError, ValueError
        It made no such thing.
    """
    if isinstance(value, list):
        return [decoded(item, arrays, words) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"word", "fields"}:
        return words[value["word"]](**{name: decoded(item, arrays, words) for name, item in value["fields"].items()})
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(decoded(item, arrays, words) for item in content)
    if kind == "dict":
        return {decoded(key, arrays, words): decoded(item, arrays, words) for key, item in content}
    if kind == "array":
        return arrays[content]
    if kind == "float":
        return float(content)
    if kind == "lost":
        return Lost(str(content))
    raise ValueError(f"no value: {kind!r}")
