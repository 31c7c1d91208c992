"""Balance: how strongly penalties weigh against the probability of a class. Importing this loads no framework."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["Balance"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Balance:
    """Penalties weigh as much as the class bears: of the images that a network is sure of, the one of the least penalty.

    The penalties of an image are multiplied by a factor, which grows at each step while its class has more than a probability,
    and shrinks while it has less: the multiplier of the constraint p ≥ ``probability``. It begins at 1.

    Attributes
    ----------
    probability
        Of the class, that is kept.
    speed
        Logarithm of the most by which the factor changes in a step.
    slack
        Log-odds by which a class may end below the probability: it swings about it.
    """

    probability: float = 0.98
    speed: float = 0.02
    slack: float = 0.5

    @property
    def _margin(self) -> float:
        return math.log(self.probability / (1 - self.probability))

    def gain(self, log_odds: torch.Tensor) -> torch.Tensor:
        """What is made large in place of log p, shape ``(N,)``: log p as if the log-odds were smaller by those that are kept.

        It pulls with all its strength until the class has the probability, where log p would have let go.
        """
        from torch.nn.functional import logsigmoid

        return logsigmoid(log_odds - self._margin)

    def best(self, probabilities: Array, penalties: Array) -> Array:
        """Of several runs the one that is best for each image: the least penalty of those that are sure of it, else the surest.

        Both have shape ``(runs, N)``, the result ``(N,)``.
        """
        needed = 1 / (1 + math.exp(self.slack - self._margin))
        sure = probabilities >= needed
        least = np.where(sure, penalties, np.inf).argmin(0)
        return np.where(sure.any(0), least, probabilities.argmax(0))

    def next(self, factors: torch.Tensor, log_odds: torch.Tensor) -> torch.Tensor:
        """Factors of the next step, shape ``(N,)``, from those of this one and the log-odds of the classes."""
        return factors * ((log_odds - self._margin).clamp(-1, 1) * self.speed).exp()
