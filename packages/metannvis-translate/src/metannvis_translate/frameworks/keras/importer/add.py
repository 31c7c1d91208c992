"""The sum of two tensors, which Keras computes wrongly where one of them looks like a bias.

``keras.ops.add`` on TensorFlow takes a second operand with a single axis longer than one for a bias of the first one's last
axis, or of axis 1, if the lengths agree, wherever that axis really is. ``(5, 5)`` and ``(5, 1)`` make a wrong sum; and as the
batch is an axis too, a model may be right at all batch sizes but one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["add"]

ops = keras.ops


def add(a: Any, b: Any) -> Any:
    """``a + b``, broadcast as in NumPy. Numbers, arrays and tensors; sizes of tensors may be free."""
    if isinstance(a, (int, float)) or isinstance(b, (int, float)):
        return ops.add(a, b)
    one, other = list(a.shape), list(b.shape)
    if 0 in one or 0 in other:  # of nothing a line is taken for a bias whatever its length
        return ops.subtract(a, ops.negative(b))
    if one == other:
        return ops.add(a, b)
    if _is_bias(one, other):
        return ops.add(a, b)
    if _is_bias(other, one):
        return ops.add(b, a)
    rank = max(len(one), len(other))
    a, b = _of_rank(a, rank), _of_rank(b, rank)
    # the one that is as large as the result comes second: it is only taken for a bias if all of the result is one line
    if _holds(list(b.shape), list(a.shape)):
        return ops.add(a, b)
    if _holds(list(a.shape), list(b.shape)):
        return ops.add(b, a)
    return ops.subtract(a, ops.negative(b))


def _is_bias(whole: Sequence[int | None], part: Sequence[int | None]) -> bool:
    """Whether ``part`` is a line along the last axis of ``whole``."""
    last = part[-1] if part else None
    return bool(
        len(part) <= len(whole) > 1 and last not in (None, 1) and last == whole[-1] and all(n == 1 for n in part[:-1])
    )


def _holds(whole: Sequence[int | None], part: Sequence[int | None]) -> bool:
    """Whether a sum of the two has the shape of ``whole``."""
    return all(n == 1 or n == m for n, m in zip(part, whole, strict=True))


def _of_rank(value: Any, rank: int) -> Any:
    missing = rank - len(value.shape)
    if isinstance(value, np.ndarray):
        return value.reshape((1,) * missing + value.shape)
    for _ in range(missing):
        value = ops.expand_dims(value, 0)
    return value
