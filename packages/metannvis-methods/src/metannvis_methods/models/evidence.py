"""Evidence of outputs: functions of NumPy arrays, PyTorch and TensorFlow tensors alike, which gradients pass through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["EVIDENCE", "largest"]


def _relu(x: Any) -> Any:
    return (x + abs(x)) / 2


def _softplus(x: Any) -> Any:
    return _relu(x) + _log1p(_exp(-abs(x)))


def _exp(x: Any) -> Any:
    return np.exp(x) if isinstance(x, np.ndarray) else _of_tensor(x, "exp")(x)


def _log1p(x: Any) -> Any:
    return np.log1p(x) if isinstance(x, np.ndarray) else _of_tensor(x, "log1p")(x)


def _of_tensor(x: Any, name: str) -> Any:
    """A function of the framework of a tensor, which is imported, since there is one."""
    from metannvis_translate.frameworks import require

    return getattr(require("torch") if hasattr(x, "detach") else require("tensorflow").math, name)


#: What makes evidence of outputs.
EVIDENCE: dict[str, Callable[[Any], Any]] = {"relu": _relu, "softplus": _softplus, "exp": _exp}


def largest(rows: Any) -> Any:
    """The largest number of each row, shape ``(N,)``."""
    if isinstance(rows, np.ndarray):
        return rows.max(1)
    return rows.amax(1) if hasattr(rows, "detach") else _of_tensor(rows, "reduce_max")(rows, 1)
