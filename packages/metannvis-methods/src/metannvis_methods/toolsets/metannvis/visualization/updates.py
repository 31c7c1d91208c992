"""Updates: how numbers are moved along their gradient. Importing this loads no framework.

Each image has its own state, so that images may be taken away from a run, and a run of several is that of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from metannvis_methods.registry.option_values import Values, number, whole
from metannvis_methods.toolsets.metannvis.visualization.fields import POSITIVE, CheckedFields, Takes, or_none

if TYPE_CHECKING:
    import torch

__all__ = ["Adam", "Normalized", "Sgd", "Update"]


class Update(CheckedFields):
    """A rule for descending a gradient."""

    def begin(self, numbers: torch.Tensor) -> dict[str, Any]:
        """State of images, tensors with a row for each."""
        return {}

    def step(self, gradient: torch.Tensor, state: dict[str, Any], step: int) -> torch.Tensor:
        """What is subtracted from the numbers in step ``step``, which counts from 0; the state is changed."""
        raise NotImplementedError


def _are_betas(value: Any) -> bool:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and all(number(0).fits(beta) and beta < 1 for beta in value)


@dataclass(frozen=True)
class Adam(Update):
    """Kingma, Ba: Adam, 2014, arXiv:1412.6980."""

    rate: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    takes: ClassVar[Takes] = {
        "rate": POSITIVE,
        "epsilon": POSITIVE,
        "betas": Values("two numbers in 0…1 without 1", _are_betas),
    }

    def begin(self, numbers: torch.Tensor) -> dict[str, Any]:
        """See the base."""
        return {"mean": numbers.new_zeros(numbers.shape), "square": numbers.new_zeros(numbers.shape)}

    def step(self, gradient: torch.Tensor, state: dict[str, Any], step: int) -> torch.Tensor:
        """See the base."""
        first, second = self.betas
        state["mean"] = first * state["mean"] + (1 - first) * gradient
        state["square"] = second * state["square"] + (1 - second) * gradient.square()
        mean = state["mean"] / (1 - first ** (step + 1))
        square = state["square"] / (1 - second ** (step + 1))
        return self.rate * mean / (square.sqrt() + self.epsilon)


@dataclass(frozen=True)
class Sgd(Update):
    """Gradient descent with momentum; the rate is multiplied by ``decay`` every ``every`` steps."""

    rate: float = 1.0
    momentum: float = 0.9
    every: int | None = None
    decay: float = 0.1

    takes: ClassVar[Takes] = {"rate": POSITIVE, "momentum": number(0), "every": or_none(whole(1)), "decay": POSITIVE}

    def begin(self, numbers: torch.Tensor) -> dict[str, Any]:
        """See the base."""
        return {"velocity": numbers.new_zeros(numbers.shape)}

    def step(self, gradient: torch.Tensor, state: dict[str, Any], step: int) -> torch.Tensor:
        """See the base."""
        state["velocity"] = self.momentum * state["velocity"] + gradient
        rate = self.rate if self.every is None else self.rate * self.decay ** (step // self.every)
        return rate * state["velocity"]


@dataclass(frozen=True)
class Normalized(Update):
    """Steps of one size: the gradient over its mean magnitude in the image (DeepDream)."""

    rate: float = 0.01

    takes: ClassVar[Takes] = {"rate": POSITIVE}

    def step(self, gradient: torch.Tensor, state: dict[str, Any], step: int) -> torch.Tensor:
        """See the base."""
        size = gradient.flatten(1).abs().mean(1).clamp_min(1e-30)
        return self.rate * gradient / size.reshape(-1, *[1] * (gradient.ndim - 1))
