"""Views: how a toolkit is shown a model. One of its outputs, or a score of it; so many rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metannvis_methods.models.scores import OutputScore

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """How a toolkit is shown a model (:meth:`metannvis_methods.models.base.ModelAdapter.view`).

    Attributes
    ----------
    place
        Which of the model's outputs is seen, in the order in which its framework flattens them.
    score
        A function of it that is seen in its stead, shape ``(N,)``.
    target
        A class, or a position, of it that is seen in its stead, shape ``(N,)``, where rows are bounded.
    rows
        Most rows that pass through the model at once. Rows stand for themselves: the model is called again, and each
        call's gradients are worked out before the next.
    before_pass
        Called before each pass with its number of rows; what it raises ends the method.
    """

    place: int = 0
    score: OutputScore | None = None
    target: int | tuple[int, ...] | None = None
    rows: int | None = None
    before_pass: Callable[[int], None] | None = None
