"""Regularizers: what an image is to be like, as a penalty that the optimiser makes small. Importing this loads no framework."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metannvis_methods.errors import InvalidArgumentError

if TYPE_CHECKING:
    import torch

    from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds

__all__ = ["L2", "Expert", "Norm", "Regularizer", "TotalVariation"]


class Regularizer:
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

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        return self.weight * (images - bounds.middle).flatten(1).abs().pow(self.p).sum(1)


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """Weight times Σ (Σ_axes d²)^(exponent / 2) over places and channels, d the differences of neighbours (Mahendran, 2015).

    At the last place of an axis, which has no neighbour behind it, d along that axis is 0.
    """

    weight: float = 0.05
    exponent: float = 2.0

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        if images.ndim < 3:
            raise InvalidArgumentError("total variation is of inputs with places, and this one is a row of features")
        squares = images.new_zeros(images.shape)
        for axis, size in enumerate(images.shape[2:], 2):
            last = images.narrow(axis, size - 1, 1)
            squares = squares + images.diff(dim=axis, append=last).square()
        if self.exponent != 2:
            squares = (squares + 1e-12) ** (self.exponent / 2)
        return self.weight * squares.flatten(1).sum(1)


@dataclass(frozen=True)
class Expert(Regularizer):
    """Minus weight times what an expert takes for log p(x) (:mod:`.experts`), which sees images in 0…1."""

    expert: Any
    weight: float = 1.0

    def penalty(self, images: torch.Tensor, rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Shape ``(N,)``."""
        return -self.weight * self.expert.log_likelihood(bounds.unit(images))
