"""Views: how a toolkit is shown a model. One of its outputs, or a score of it; so many rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metannvis_methods.models.scores import OutputScore

__all__ = ["View", "Within"]


@dataclass(frozen=True, eq=False)
class Within:
    """Where a slice stands, which is given in the stead of a volume.

    Attributes
    ----------
    volume
        One sample, a tensor of the model's framework, shape ``(1, …)``.
    axis, place
        The axis of the volume that the slice lacks, and where along it the slice stands.
    """

    volume: Any
    axis: int
    place: int


@dataclass(frozen=True)
class View:
    """How a toolkit is shown a model (:meth:`metannvis_methods.models.base.ModelAdapter.view`).

    Attributes
    ----------
    place
        Which of the model's outputs is seen, in the order in which its framework flattens them.
    scores
        Functions of it that are seen in its stead, shape ``(N,)``: one for all rows, or with :attr:`by_row` one for some.
    targets
        Classes, or positions, of it that are seen in its stead, the same way.
    by_row
        The last input says for each row which of the scores or targets is seen, as an index, shape ``(N,)``.
    order
        Places of the inputs in the model's own order, as they are given; empty: in that order.
    constants
        Inputs that are not given, by their places: those without gradients, where a toolkit takes no others.
    embedding
        A layer of the model whose output is given as the first input, in the stead of what it would compute.
    within
        The volume that the first input is a slice of, as which it is given; rows are those of one sample.
    logits
        What goes into a softmax or a sigmoid that ends the model is seen, instead of what comes out.
    before_pass
        Called before each pass through the model; what it raises ends the method.
    half
        Half precision for the passes, as :meth:`metannvis_methods.models.base.ModelAdapter.half_precision` has it.
    rows
        Most rows that pass through the model at once. Rows stand for themselves: the model is called again, and each
        call's gradients are worked out before the next; where they are wanted, what is seen has to be of shape ``(N,)``.
    """

    place: int = 0
    scores: tuple[OutputScore, ...] = ()
    targets: tuple[int | tuple[int, ...], ...] = ()
    by_row: bool = False
    order: tuple[int, ...] = ()
    constants: tuple[tuple[int, Any], ...] = ()
    embedding: Any = None
    within: Within | None = None
    rows: int | None = None
    logits: bool = False
    before_pass: Callable[[], None] | None = None
    half: Any = None
