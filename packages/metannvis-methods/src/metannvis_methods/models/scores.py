"""Scores: functions of an output, one number a sample, that are explained instead of a class.

A score is worked out in NumPy, in the layout of the caller's model, whichever framework the model runs in; there
:meth:`metannvis_methods.models.base.ModelAdapter.view` puts it behind the output, with its derivative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["Differentiate", "FunctionScore", "NegativeScore", "OutputScore", "RegionScore"]

Array = np.ndarray[Any, Any]
#: Value of a function of an output, and what its derivative makes of a cotangent.
Differentiate = Callable[[Callable[[Any], Any], Array], tuple[Array, Callable[[Array], Array]]]


@dataclass(frozen=True)
class OutputScore(ABC):
    """A function of one output of a model.

    Attributes
    ----------
    permutation
        Axis ``k`` of the tensor of the model that runs is axis ``permutation[k]`` of the caller's; ``None``: the same.
    """

    permutation: tuple[int, ...] | None = field(default=None, kw_only=True)

    @abstractmethod
    def evaluate(self, output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Values of shape ``(N,)``, and the derivative times a cotangent of that shape; in the caller's layout."""

    def __call__(self, output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The same in the layout of the model that runs."""
        order = self.permutation
        if order is None or len(order) != output.ndim:
            return self.evaluate(output)
        values, derivative = self.evaluate(np.ascontiguousarray(np.transpose(output, np.argsort(order))))
        return values, lambda cotangent: np.ascontiguousarray(np.transpose(derivative(cotangent), order))


@dataclass(frozen=True)
class FunctionScore(OutputScore):
    """A function that the caller wrote, of tensors of the caller's framework.

    Attributes
    ----------
    function
        Takes the output, shape ``(N, …)``, and returns one number a sample.
    differentiate
        Evaluates it in that framework.
    """

    function: Callable[[Any], Any]
    differentiate: Differentiate

    def evaluate(self, output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Call it, and hold what it returns against what it has to be."""
        values, derivative = self.differentiate(self.function, output)
        count, shape = len(output), np.shape(values)
        if values.size != count or (shape and shape[0] != count) or (not shape and count != 1):
            raise InvalidArgumentError(
                f"the target function returned shape {shape} for an output of shape {output.shape}: it returns one number a "
                f"sample, shape ({count},); a sum runs over every axis but the first"
            )
        return values.reshape(count), lambda cotangent: derivative(cotangent.reshape(shape))


@dataclass(frozen=True)
class NegativeScore(OutputScore):
    """What speaks against the only output: 1 − p of a probability, −f of another number.

    Attributes
    ----------
    probability
        Whether the output is one.
    """

    probability: bool = True

    def evaluate(self, output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Linear in the output."""
        values = (1.0 if self.probability else 0.0) - output.reshape(len(output))
        return values.astype(output.dtype), lambda cotangent: -cotangent.reshape(output.shape)


@dataclass(frozen=True)
class RegionScore(OutputScore):
    """A class summed over a region of a dense output, which is the same for every row.

    Attributes
    ----------
    class_index
        Which class, ``None`` for an output without classes.
    channel
        Axis of the classes.
    region
        Weight of each place, in the shape of the output without batch and classes.
    reduce
        ``"sum"``, ``"mean"`` of the class over the region, or ``"count"`` of the places there at which the class is the
        largest, which has no gradient.
    """

    class_index: int
    channel: int
    region: Array
    reduce: str = "sum"

    def evaluate(self, output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Linear in the output but for a count."""
        places: Sequence[int] = tuple(range(1, output.ndim - 1))
        if self.reduce == "count":
            won = output.argmax(self.channel) == self.class_index
            counts = (won * self.region).sum(places).astype(output.dtype)
            return counts, lambda _: np.zeros_like(output)
        weights = self.region.astype(output.dtype)
        if self.reduce == "mean":
            weights = weights / max(float(weights.sum()), 1.0)
        maps = output.take(self.class_index, self.channel)

        def derivative(cotangent: Array) -> Array:
            grown = np.zeros_like(output)
            where: list[Any] = [slice(None)] * output.ndim
            where[self.channel] = self.class_index
            grown[tuple(where)] = weights * cotangent.reshape(-1, *[1] * (output.ndim - 2))
            return grown

        return (maps * weights).sum(places), derivative
