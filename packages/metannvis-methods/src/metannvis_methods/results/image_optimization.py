"""Image optimizations: what methods that make images give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.explanation import Explanation, result_type
from metannvis_methods.results.plain import as_tuple

__all__ = ["ImageOptimization"]

Array = np.ndarray[Any, Any]

#: Why an image ended.
REASONS = ("steps", "probability", "deadline")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


#: What the fields are, as JSON has them; those that are arrays stand beside.
FIELDS = {
    "score": lambda value: isinstance(value, str),
    "probabilities": lambda value: value is None,
    "snapshots": lambda value: value is None,
    "snapshot_steps": lambda value: isinstance(value, list) and all(type(item) is int and item > 0 for item in value),
    "ended": lambda value: _texts(value) and set(value) <= set(REASONS),
    "objectives": _texts,
}
ARRAYS = {"losses": 2, "scores": 1, "steps": 1, "value_range": 2, "probabilities": 1, "snapshots": None}


@result_type(FIELDS, ARRAYS)
@dataclass(frozen=True, repr=False)
class ImageOptimization(Explanation):
    """Images that a method has made step by step, in the layout of the caller's own model, and how they came about.

    ``values`` are the images, in the numbers that the model takes; ``inputs`` what they began with, ``None``: noise;
    ``prediction`` is of that.

    Attributes
    ----------
    losses
        What was made small at each step, penalties minus objective, shape ``(steps, N)``; NaN where an image had ended.
    scores, score
        What was made large, of the images as they are and without penalties, shape ``(N,)``; and what that is called.
    probabilities
        Of the class of each image, shape ``(N,)``; ``None`` where it is of none.
    steps, ended
        Steps that each image has made, shape ``(N,)``, and why it ended: ``"steps"``, ``"probability"``, ``"deadline"``.
    objectives
        What was made large, in words: one text for all images, or one each.
    snapshots, snapshot_steps
        Images of the way, shape ``(snapshots, N, …)``, each after so many steps; ``None`` if none were kept.
    value_range
        What black and white are, shape ``(2, 1)``, or ``(2, C)`` where channels differ.
    """

    losses: Array = field(default_factory=lambda: np.empty((0, 0)))
    scores: Array = field(default_factory=lambda: np.empty(0))
    steps: Array = field(default_factory=lambda: np.empty(0, np.int64))
    ended: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    score: str = "objective"
    probabilities: Array | None = None
    snapshots: Array | None = None
    snapshot_steps: tuple[int, ...] = ()
    value_range: Array = field(default_factory=lambda: np.array([[0.0], [1.0]]))

    def __post_init__(self) -> None:
        count = len(self.scores)
        known = (self.steps, self.ended, *(() if self.probabilities is None else (self.probabilities,)))
        fits = all(len(item) == count for item in known) and self.losses.shape[1:] == (count,)
        fits &= (
            len(self.objectives) in (0, 1, count) and self.value_range.shape[:1] == (2,) and self.value_range.ndim == 2
        )
        fits &= (0 if self.snapshots is None else len(self.snapshots)) == len(self.snapshot_steps)
        if not fits:
            raise InvalidArgumentError(
                f"an image optimisation has a score, steps and a reason for each of {count} images, losses of shape "
                f"(steps, {count}), a step for each snapshot, and black and white of shape (2, 1) or (2, C)"
            )

    @property
    def images(self) -> Array:
        """The images as 0…1 from black to white, in the layout of ``values``, float64."""
        return self._shown(as_tuple(self.values)[0], as_tuple(self.axes)[0])

    @property
    def images_of_snapshots(self) -> Array | None:
        """The same of the snapshots, shape ``(snapshots, N, …)``; ``None`` if none were kept."""
        return None if self.snapshots is None else self._shown(self.snapshots, "S" + as_tuple(self.axes)[0])

    def objective_of(self, image: int) -> str:
        """What was made large of an image, in words."""
        if not self.objectives:
            return ""
        return self.objectives[image if len(self.objectives) > 1 else 0]

    def _shown(self, values: Array, axes: str) -> Array:
        shape = [-1 if letter == "C" else 1 for letter in axes]
        low, high = (end.reshape(shape if len(end) > 1 else [1] * values.ndim) for end in self.value_range)
        return np.asarray((values - low) / (high - low), np.float64)

    def _table(self) -> list[tuple[str, Any]]:
        """Rows for people."""
        rows = super()._table()
        made: list[tuple[str, Any]] = [("objective", ", ".join(self.objectives[:10]))]
        made.append((self.score, _numbers(self.scores)))
        if self.probabilities is not None:
            made.append(("probability", _numbers(self.probabilities)))
        if len(self.steps):
            reasons = ", ".join(dict.fromkeys(self.ended))
            made.append(("steps", f"{int(self.steps.min())} … {int(self.steps.max())} (ended by {reasons})"))
        return [*rows[:2], *made, *rows[2:]]


def _numbers(values: Array, most: int = 10) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:most]) + (" …" if len(values) > most else "")
