"""Smooth masks: coarse ones enlarged by a maximum that is weighted with distance, and what they make of an input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.toolsets.metannvis.backprop.blurring import blurred

__all__ = ["BlurPyramid", "SmoothMask"]

#: Sharpness of the maximum.
T = 20.0
#: Standard deviations beyond which a cell does not count: its weight is a hundredth there.
REACH = 2.0


def nearness(distance: np.ndarray) -> np.ndarray:
    """Weight of a cell at a distance in standard deviations: one as far as a half, then a bell."""
    return np.exp(-2 * np.maximum(0, distance - 0.5) ** 2)


class SmoothMaximum(torch.autograd.Function):
    """``Σ v e^{Tv} / Σ e^{Tv}`` over the last axis, of ``v = weights · around``, shape ``(…, K)``.

    Nearly all of a mask's time goes here: its derivative is ``p (1 + T (v − smax))``, where p is the
    softmax, worked out in place.
    """

    @staticmethod
    def forward(ctx: Any, around: torch.Tensor, weights: torch.Tensor, left_out: torch.Tensor) -> torch.Tensor:
        """Maxima, shape ``(…)``; ``left_out`` is −∞ where a value does not count."""
        values = around * weights
        share = torch.add(left_out, values, alpha=T)
        share = share.sub_(share.amax(-1, keepdim=True)).exp_()
        share /= share.sum(-1, keepdim=True)
        large = torch.linalg.vecdot(values, share)
        ctx.save_for_backward(values, share, large, weights)
        return large

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """With respect to ``around``."""
        values, share, large, weights = ctx.saved_tensors
        slope = (values - large[..., None]).mul_(T).add_(1).mul_(share).mul_(weights)
        return slope.mul_(slopes[0][..., None]), None, None


class SmoothMask:
    """``m(u) = smax_i k(|u − u_i| / σ) m_i`` over the cells ``i`` within 2 σ; ``smax v = Σ v e^{Tv} / Σ e^{Tv}``.

    Parameters
    ----------
    sizes
        Of the places.
    step
        Places a cell.
    sigma
        Width of the kernel.
    """

    def __init__(self, sizes: Sequence[int], step: int, sigma: float, like: torch.Tensor) -> None:
        self.sizes, self.step = tuple(sizes), step
        self.cells = tuple(math.ceil(size / step) for size in sizes)
        self.reach = math.ceil(REACH * sigma / step)
        around = np.arange(-self.reach, self.reach + 1)
        # where the centres of the cells around lie, as seen from each place of a cell
        along = (around[None, :] + 0.5) * step - 0.5 - np.arange(step)[:, None]
        square = (along**2).reshape(step, -1)
        for _ in sizes[1:]:  # places of a cell by cells around, axis after axis
            square = (square[:, None, :, None] + (along**2)[None, :, None, :]).reshape(len(square) * step, -1)
        distance = np.sqrt(square) / sigma
        near = (distance <= REACH).any(axis=0)
        self.near = torch.from_numpy(near).to(like.device)
        self.weights = torch.from_numpy(nearness(distance[:, near])).to(like)
        self.left_out = torch.from_numpy(np.where(distance[:, near] <= REACH, 0.0, -np.inf)).to(like)

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """A mask of shape ``(N, sizes…)`` of a coarse one of shape ``(N, cells…)``, values in 0…1."""
        rank, width = len(self.sizes), 2 * self.reach + 1
        around = coarse
        for axis in range(1, rank + 1):
            index = torch.arange(-self.reach, self.cells[axis - 1] + self.reach, device=coarse.device)
            around = around.index_select(axis, index.clamp(0, self.cells[axis - 1] - 1))  # beyond the border as at it
        for axis in range(1, rank + 1):
            around = around.unfold(axis, width, 1)
        around = around.reshape(*coarse.shape, 1, -1)[..., self.near]
        large = SmoothMaximum.apply(around, self.weights, self.left_out)
        large = large.reshape(*coarse.shape, *[self.step] * rank)
        order = [0, *itertools.chain.from_iterable((1 + k, 1 + rank + k) for k in range(rank))]
        large = large.permute(order).reshape(len(coarse), *(number * self.step for number in self.cells))
        return large[(slice(None), *(slice(size) for size in self.sizes))]


class BlurPyramid:
    """An input at several strengths of blur, between which a mask chooses at each place: 1 leaves it as it is.

    Parameters
    ----------
    x
        Shape ``(N, …)``.
    places
        Its axes of places.
    sigma, levels
        The strongest blur, and how many there are, down to none.
    """

    def __init__(self, x: torch.Tensor, places: Sequence[int], sigma: float, levels: int) -> None:
        self.places, self.last = tuple(places), levels - 1
        strengths = np.linspace(sigma, 0, levels)
        self.levels = torch.stack([blurred(x, places, float(strength), edges=True) for strength in strengths])

    def __call__(self, mask: torch.Tensor) -> torch.Tensor:
        """The input under a mask of shape ``(N, places…)``."""
        shape = [mask.shape[0], *[1] * (self.levels.ndim - 2)]
        for axis, size in zip(self.places, mask.shape[1:], strict=True):
            shape[axis] = size
        at = mask.reshape(shape) * self.last
        low = at.detach().floor().clamp(0, self.last - 1)
        index = low.long().expand(self.levels.shape[1:])[None]
        below, above = self.levels.gather(0, index)[0], self.levels.gather(0, index + 1)[0]
        return below + (at - low) * (above - below)
