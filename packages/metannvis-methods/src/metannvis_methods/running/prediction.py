"""Predictions: what the model says of each sample that is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["prediction_of"]

#: How far from 1 the sum of a distribution may be, in single precision.
SUM = 1e-3


def prediction_of(output: np.ndarray[Any, Any], labels: Sequence[str] | None) -> tuple[Mapping[str, Any], ...] | None:
    """Class, name, probability and value of each sample; ``None`` for a dense output.

    Parameters
    ----------
    output
        Shape ``(N, classes)``, ``(N, 1)`` or ``(N,)``.
    """
    count = len(output) if output.ndim else 1
    if output.ndim > 2 or output.dtype.kind not in "fiub":
        return None
    rows = output.reshape(count, -1).astype(np.float64)
    if rows.shape[1] == 1:
        return tuple({"value": float(row[0])} for row in rows)
    found = []
    for row in rows:
        best = int(row.argmax())
        distribution = bool((row >= 0).all() and abs(row.sum() - 1) < SUM)
        found.append(
            {
                "class": best,
                "name": labels[best] if labels is not None and best < len(labels) else None,
                "probability": float(row[best]) if distribution else None,
                "value": float(row[best]),
            }
        )
    return tuple(found)
