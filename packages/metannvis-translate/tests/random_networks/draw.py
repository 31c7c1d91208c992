"""What random networks of both frameworks are drawn with: choices, values, and steps registered by the ranks they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

__all__ = [
    "ANY",
    "DISTURBANCE",
    "IMAGES",
    "LARGEST",
    "MOST",
    "TRIED",
    "VOCABULARY",
    "Choices",
    "Step",
    "Steps",
    "Value",
    "sensible",
]

Array = np.ndarray[Any, Any]

#: How many samples a step is tried on: a number that no other axis has, so that nothing can take the batch for another axis.
TRIED = 13
#: What no axis may grow beyond, and how many elements of a sample a value may have.
LARGEST, MOST = 40, 1500
#: Relative size of the noise that a line may not enlarge much.
DISTURBANCE = 1e-6
#: Integers that go in are below this one.
VOCABULARY = 7
#: Ranks of values with axes of space, and all ranks, batch included.
IMAGES, ANY = (3, 4, 5), (2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Value:
    """A variable of a network's code: its name, its shape without the batch, and what it is (``"float"``, ``"ids"``, …)."""

    name: str
    shape: tuple[int, ...]
    kind: str = "float"

    @property
    def rank(self) -> int:
        """Number of axes, the batch included."""
        return 1 + len(self.shape)

    @property
    def space(self) -> int:
        """Number of axes of space if this is an image: all but the batch and the channels."""
        return self.rank - 2


class Choices:
    """What is drawn, from one source of random numbers."""

    random: Random

    def pick(self, *options: Any) -> Any:
        """One of several."""
        return self.random.choice(options)

    def integer(self, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return self.random.randint(least, most)

    def often(self, share: float = 0.5) -> bool:
        """True with that probability."""
        return self.random.randint(0, 99) < 100 * share

    def each(self, count: int, *options: Any) -> Any:
        """One option for all axes, or one for each."""
        return self.pick(*options) if self.often() else tuple(self.pick(*options) for _ in range(count))

    def divisor(self, number: int) -> int:
        """One of a number's divisors."""
        return self.pick(*(d for d in range(1, number + 1) if number % d == 0))

    def scalar(self) -> float | int:
        """A Python number, now and then a whole one."""
        return self.pick(0.3, 1.7, -0.6, 2.5, 2, -1, 0.1, 1 / 3)

    def axis(self, value: Value) -> int:
        """An axis beside the batch, from the front or from the end."""
        return self.pick(*range(1, value.rank), *range(1 - value.rank, 0))

    def sizes(self, count: int, least: int, most: int) -> tuple[int, ...]:
        """So many sizes of axes."""
        return tuple(self.integer(least, most) for _ in range(count))


@dataclass(frozen=True)
class Step:
    """A kind of line: ``function(draft, value)`` for values of certain ranks (batch included)."""

    function: Callable[[Any, Value], Any]
    ranks: tuple[int, ...]
    weight: int


@dataclass
class Steps:
    """The steps of a kind of network; called as a decorator, it registers one."""

    rows: list[Step] = field(default_factory=list)

    def __call__(
        self, *ranks: int, weight: int = 2
    ) -> Callable[[Callable[[Any, Value], Any]], Callable[[Any, Value], Any]]:
        """Register a step for values of these ranks; a heavier one is drawn more often."""

        def register(function: Callable[[Any, Value], Any]) -> Callable[[Any, Value], Any]:
            self.rows.append(Step(function, ranks, weight))
            return function

        return register

    def fitting(self, value: Value) -> list[Step]:
        """Steps for a value, each as often as it weighs."""
        return [step for step in self.rows if value.rank in step.ranks for _ in range(step.weight)]


def sensible(array: Array) -> bool:
    """Whether a value of :data:`TRIED` samples is of a size and a spread that a network can go on with."""
    if not 1 < array.ndim <= 6 or array.shape[0] != TRIED or array.dtype.kind != "f":
        return False
    if not 0 < array[0].size <= MOST or max(array.shape) > LARGEST:
        return False
    return bool(np.isfinite(array).all()) and np.abs(array).max() <= 1e3 and array.std() >= 1e-2
