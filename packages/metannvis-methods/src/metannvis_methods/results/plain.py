"""Plain values: results as what JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["as_tuple", "jsonable", "plain_positions"]


def jsonable(value: Any) -> Any:
    """A value in plain, JSON-able form; objects and arrays are described."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array {tuple(value.shape)} {value.dtype}"
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def plain_positions(target: Any) -> Any:
    """A target in plain form, in which a position in a dense output stays a tuple, a list is of one a sample."""
    if isinstance(target, tuple):
        return tuple(jsonable(list(target)))
    return [plain_positions(item) for item in target] if isinstance(target, list) else jsonable(target)


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One value of a result as a tuple of it; a tuple as it is."""
    return value if isinstance(value, tuple) else (value,)
