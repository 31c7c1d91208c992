"""Output structures: the tensors in whatever a model returns, each with its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["leaves", "with_leaf"]


def leaves(
    value: Any, is_tensor: Callable[[Any], bool], *, by_key: bool = False, path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Tensors in nested dicts, tuples, lists, named tuples and dataclasses, with their paths (``"scores.0"``).

    Parameters
    ----------
    is_tensor
        What counts as a tensor; anything else that is no container is passed over (a loss that is ``None``, a number).
    by_key
        Dicts are gone through in the order of their sorted keys, as Keras does, instead of their own.
    """
    if is_tensor(value):
        yield path, value
        return
    items: Any = ()
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: str(item[0])) if by_key else value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        items = zip(value._fields, value, strict=True)
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((item.name, getattr(value, item.name)) for item in dataclasses.fields(value))
    for name, part in items:
        yield from leaves(part, is_tensor, by_key=by_key, path=f"{path}.{name}" if path else str(name))


def with_leaf(value: Any, is_tensor: Callable[[Any], bool], place: int, replace: Callable[[Any], Any]) -> Any:
    """The same structure, its tensor number ``place`` replaced; dicts, tuples, lists and named tuples are made anew."""
    seen = -1

    def walk(part: Any) -> Any:
        nonlocal seen
        if is_tensor(part):
            seen += 1
            return replace(part) if seen == place else part
        if isinstance(part, dict):
            return type(part)({key: walk(item) for key, item in part.items()})
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*(walk(item) for item in part))
        if isinstance(part, (tuple, list)):
            return type(part)(walk(item) for item in part)
        return part

    return walk(value)
