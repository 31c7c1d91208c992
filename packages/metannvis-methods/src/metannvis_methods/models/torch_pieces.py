"""Modules that take so many samples at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["InPieces"]


class InPieces(torch.nn.Module):
    """A model that takes so many samples at a time, for any multiple of them."""

    def __init__(self, model: torch.nn.Module, size: int, tell: Callable[[], None]) -> None:
        super().__init__()
        self.model, self.size, self.tell = model, size, tell

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Piece after piece."""
        count = inputs[0].shape[0]
        if count <= self.size:
            return self.model(*inputs)
        self.tell()
        parts = [self.model(*(x[start : start + self.size] for x in inputs)) for start in range(0, count, self.size)]
        if isinstance(parts[0], torch.Tensor):
            return torch.cat(parts)
        return tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))
