"""Scores of a PyTorch model's output: the number of each row that is explained.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch

from metannvis_methods.errors import MissingArgumentError
from metannvis_methods.registry.toolset import Target

__all__ = ["scores_of"]


def scores_of(output: torch.Tensor, target: Target) -> torch.Tensor:
    """What a target means of an output of shape ``(N, …)``: one number a row, shape ``(N,)``.

    Raises
    ------
    MissingArgumentError
        There is no target, and several numbers a row.
    """
    if target is None:
        rows = output.reshape(len(output), -1)
        if rows.shape[1] != 1:
            raise MissingArgumentError(
                f"the model's output has shape {tuple(output.shape)}: give target=…, which output is meant"
            )
        return rows[:, 0]
    places: list[Any] = target if isinstance(target, list) else [target] * len(output)
    index = torch.tensor([place if isinstance(place, tuple) else (place,) for place in places], device=output.device)
    picked: torch.Tensor = output[(torch.arange(len(output), device=output.device), *index.T)]
    return picked
