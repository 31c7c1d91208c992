"""Histories: how an optimisation of images went, as a toolset tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["History"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class History:
    """How an optimisation of N images went.

    Attributes
    ----------
    losses
        What was made small at each step, shape ``(steps, N)``; NaN where an image had ended.
    scores, score
        What was made large, of the images as they are, shape ``(N,)``, and what that is called.
    probabilities
        Of the class of each image, shape ``(N,)``; ``None`` where it is of none.
    steps
        That each image has made, shape ``(N,)``.
    ended
        Why it ended, one an image: ``"steps"``, ``"probability"``, ``"deadline"``.
    snapshots
        Steps, and the images after them, in the layout of the model that ran.
    objectives
        What was made large, in words: one text for all images, or one each.
    """

    losses: Array
    scores: Array
    steps: Array
    ended: tuple[str, ...]
    objectives: tuple[str, ...]
    score: str = "objective"
    probabilities: Array | None = None
    snapshots: tuple[tuple[int, Array], ...] = ()
