"""Regularizers: what an image is to be like, as a penalty that the optimiser makes small. Importing this loads no framework."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.option_values import Values, number
from metannvis_methods.toolsets.metannvis.visualization.fields import POSITIVE, WEIGHT, CheckedFields, Takes

if TYPE_CHECKING:
    import torch

    from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds

__all__ = ["L2", "Expert", "Norm", "Regularizer", "TotalVariation"]


class Regularizer(CheckedFields):
    """A penalty a image, which is subtracted from the objective."""

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``, of images of shape ``(N, C, places…)``, which are ``rows`` of all, in the range of the bounds."""
        raise NotImplementedError


@dataclass(frozen=True)
class L2(Regularizer):
    """Weight times the squared distance to an image.

    ``mean`` is a tensor of the model's, one for all or one an image; ``None``: grey.
    """

    weight: float = 0.01
    mean: Any = None

    takes: ClassVar[Takes] = {
        "weight": WEIGHT,
        "mean": Values(
            "a tensor of the model's (baselines= takes any image)", lambda x: x is None or hasattr(x, "detach")
        ),
    }

    def to(self, mean: Any) -> L2:
        """With that image."""
        return dataclasses.replace(self, mean=mean)

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        mean: Any = bounds.middle if self.mean is None else self.mean
        if self.mean is not None and len(mean) > 1:
            mean = mean[rows]
        return self.weight * (images - mean).flatten(1).square().sum(1)


@dataclass(frozen=True)
class Norm(Regularizer):
    """Weight times the p-norm of the difference from grey, to the power of p."""

    weight: float = 1e-3
    p: float = 6.0

    takes: ClassVar[Takes] = {"weight": WEIGHT, "p": number(1)}

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        return self.weight * (images - bounds.middle).flatten(1).abs().pow(self.p).sum(1)


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """Weight times Σ (Σ_axes d²)^(exponent / 2) over places and channels (Mahendran, 2015).

    d is the difference of a place and the next one along an axis, 0 at the last: every pixel counts, that in the corner too.
    Below exponent 2 the sum of squares has 1e-12 more, so that it can be differentiated where an image is flat.
    """

    weight: float = 0.05
    exponent: float = 2.0

    takes: ClassVar[Takes] = {"weight": WEIGHT, "exponent": POSITIVE}

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        import torch

        if images.ndim < 3:
            raise InvalidArgumentError("total variation is of inputs with places, and this one is a row of features")
        squares = torch.zeros_like(images)
        for axis in range(2, images.ndim):
            ahead = images.diff(dim=axis, append=images.narrow(axis, -1, 1))
            squares = squares + ahead.square()
        if self.exponent != 2:
            squares = (squares + 1e-12) ** (self.exponent / 2)
        return self.weight * squares.flatten(1).sum(1)


@dataclass(frozen=True)
class Expert(Regularizer):
    """Minus weight times what an expert takes for log p(x) (:mod:`.experts`), which sees images in 0…1."""

    expert: Any
    weight: float = 1.0

    takes: ClassVar[Takes] = {
        "weight": WEIGHT,
        "expert": Values(
            "an object with log_likelihood(images)", lambda x: callable(getattr(x, "log_likelihood", None))
        ),
    }

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        return -self.weight * self.expert.log_likelihood(bounds.unit(images))
