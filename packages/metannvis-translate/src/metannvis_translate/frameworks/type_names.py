"""Class names, by which a value's framework is recognised without importing it."""

from __future__ import annotations

from typing import Any

__all__ = ["class_names", "is_a"]


def class_names(value: Any) -> tuple[str, ...]:
    """Full names (``module.Class``) of a value's class and of its bases."""
    return tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__)


def is_a(value: Any, *names: str) -> bool:
    """Whether a class of that full name is among the value's; imports nothing.

    An instance of a class can only exist if its module is loaded, so comparing names decides what
    ``isinstance`` would, without paying for the import.
    """
    return not set(names).isdisjoint(class_names(value))
