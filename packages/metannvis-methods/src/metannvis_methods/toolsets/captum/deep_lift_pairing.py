"""Pairing of inputs and baselines: where each lies in a tensor of both, on which DeepLift's rules compare them.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Pairing", "found_pairing", "sample_of"]


def sample_of(tensor: Tensor) -> Tensor:
    """A few values of a tensor, the same places whatever computed it."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, len(flat) // 64)].clone()


@dataclass(frozen=True)
class Pairing:
    """How inputs and baselines lie in a tensor: along ``axis``, which is ``blocks`` times inputs before their baselines.

    There is one block where the batch comes first on its axis, more where it was merged with an axis in front of it.
    """

    axis: int
    blocks: int = 1

    def halves(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and baselines, each as the tensor would be with them alone."""
        blocks = tensor.unflatten(self.axis, (self.blocks, 2, -1))
        first, second = blocks.unbind(self.axis + 1)
        return first.flatten(self.axis, self.axis + 1), second.flatten(self.axis, self.axis + 1)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """The inverse of :meth:`halves`."""
        blocks = [half.unflatten(self.axis, (self.blocks, -1)) for half in (first, second)]
        return torch.stack(blocks, self.axis + 1).flatten(self.axis, self.axis + 2)

    def shifted(self, axes: int) -> Pairing:
        """The same in a tensor that has further axes in front."""
        return Pairing(self.axis + axes, self.blocks)


def found_pairing(both: Tensor, shape: torch.Size, sample: Tensor) -> Pairing | None:
    """The pairing that leaves of a tensor what it is for baselines alone, of which shape and a few values are known."""
    doubled = [k for k, (n, size) in enumerate(zip(shape, both.shape, strict=False)) if n != size]
    if len(shape) != both.ndim or len(doubled) != 1 or both.shape[doubled[0]] != 2 * shape[doubled[0]]:
        return None
    count = shape[doubled[0]]
    slack = 1e-3 * float(torch.nan_to_num(sample, posinf=0, neginf=0).abs().max())
    for blocks in (blocks for blocks in range(1, count + 1) if count % blocks == 0):
        pairing = Pairing(doubled[0], blocks)
        alone = sample_of(pairing.halves(both.detach())[1])
        if torch.allclose(alone, sample, rtol=1e-3, atol=slack, equal_nan=True):
            return pairing
    return None
