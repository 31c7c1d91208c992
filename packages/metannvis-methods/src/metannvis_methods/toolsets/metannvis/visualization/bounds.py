"""Bounds: what black and white are for the network. Importing this loads no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Bounds"]


@dataclass(frozen=True)
class Bounds:
    """Black and white in the network's numbers: numbers, or tensors of shape ``(1, C, 1, …)``."""

    low: Any = 0.0
    high: Any = 1.0

    @property
    def middle(self) -> Any:
        """Grey."""
        return (self.low + self.high) / 2

    @property
    def spread(self) -> Any:
        """From black to white."""
        return self.high - self.low

    def unit(self, images: torch.Tensor) -> torch.Tensor:
        """Images of the network's numbers as 0…1."""
        return (images - self.low) / self.spread

    def numbers(self, images: torch.Tensor) -> torch.Tensor:
        """Images of 0…1 as the network's numbers."""
        return self.low + self.spread * images

    def clamped(self, images: torch.Tensor) -> torch.Tensor:
        """Images with nothing darker than black or lighter than white."""
        return self.numbers(self.unit(images).clamp(0, 1))
