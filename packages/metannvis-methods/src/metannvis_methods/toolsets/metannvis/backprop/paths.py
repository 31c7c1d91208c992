"""Integrated gradients along other paths than the straight one: of blurred inputs, and of the smallest gradients first."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.blurring import blurred, places_to_blur
from metannvis_methods.toolsets.metannvis.backprop.scoring import gradients, rows_at_once
from metannvis_methods.toolsets.metannvis.method import Method

__all__ = ["BlurIntegratedGradients", "GuidedIntegratedGradients", "broadcast_baselines"]

Array = np.ndarray[Any, Any]
#: Side of images that the largest blur is given for.
SIDE, BLUR = 224, 50.0


class BlurIntegratedGradients(Method):
    """Gradients summed along the path of ever less blurred inputs (Xu et al., 2020, arXiv:2004.03383).

    ``Σ_k ∂f/∂x (z(σ_k + Δ/2)) (z(σ_k) − z(σ_k + Δ))``, ``z(σ)`` the input blurred with zeros around it. The sum is the
    difference of the outputs at the input and at the most blurred one.
    """

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 100,
        max_sigma: float | None = None,
    ) -> MethodOutput:
        """Attributions in the shape of the inputs.

        Parameters
        ----------
        n_steps
            Steps of equal ``σ``.
        max_sigma
            The strongest blur, in places; ``None``: 50 for sides of 224, and in proportion for others.
        """
        call = self.call
        places = [places_to_blur(call, place) for place in range(len(call.inputs))]
        largest = [
            max(x.shape[axis] for axis in own) * BLUR / SIDE if max_sigma is None else float(max_sigma)
            for x, own in zip(call.inputs, places, strict=True)
        ]
        totals = [torch.zeros_like(x) for x in call.inputs]
        sharp = list(call.inputs)
        at_once = rows_at_once(call)
        for start in range(0, n_steps, at_once):
            steps = range(start, min(start + at_once, n_steps))
            moves, points = [], []
            for place, (x, own, most) in enumerate(zip(call.inputs, places, largest, strict=True)):
                between, moved = [], []
                for step in steps:
                    softer = blurred(x, own, (step + 1) * most / n_steps)
                    moved.append(sharp[place] - softer)
                    between.append(blurred(x, own, (step + 0.5) * most / n_steps))
                    sharp[place] = softer
                moves.append(torch.stack(moved))
                points.append(torch.cat(between))
            _, slopes = gradients(call, points, additional_forward_args)
            for total, slope, move in zip(totals, slopes, moves, strict=True):
                total += (slope.reshape(move.shape) * move).sum(0)
        return MethodOutput(self.as_given(totals))


class GuidedIntegratedGradients(Method):
    """Gradients summed along a path on which the smallest gradients move first (Kapishnikov et al., 2021, arXiv:2106.09788).

    The path ends at the input and comes nearer to it, in the sum of absolute differences, by the same length each step.
    Elements stay within ``max_dist`` of where the straight path has them; of the others, those whose gradients are among the
    smallest ``fraction`` move on.
    """

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 200,
        fraction: float = 0.25,
        max_dist: float = 0.02,
    ) -> MethodOutput:
        """Attributions in the shape of the inputs.

        Parameters
        ----------
        baselines
            Where the path begins: a number, an array, or several; ``None``: 0.
        n_steps, fraction, max_dist
            As above; a ``max_dist`` of 0 is the straight path.
        """
        call = self.call
        ends = [to_numpy(x).astype(np.float64) for x in call.inputs]
        starts = broadcast_baselines(baselines, ends)
        samples = len(ends[0])
        paths = [
            _Path(_flat([x[k] for x in ends]), _flat([b[k] for b in starts]), fraction, max_dist)
            for k in range(samples)
        ]
        for step in range(n_steps):
            points = _shaped(np.stack([path.x for path in paths]), ends)
            tensors = [torch.from_numpy(point).to(x) for point, x in zip(points, call.inputs, strict=True)]
            _, slopes = gradients(call, tensors, additional_forward_args)
            for k, path in enumerate(paths):
                path.advance(_flat([to_numpy(slope[k]) for slope in slopes]), (step + 1) / n_steps)
        totals = _shaped(np.stack([path.total for path in paths]), ends)
        return MethodOutput(
            self.as_given([t.astype(to_numpy(x).dtype) for t, x in zip(totals, call.inputs, strict=True)])
        )


def broadcast_baselines(given: Any, inputs: list[Array]) -> list[Array]:
    """Baselines in the shapes of the inputs, float64; 0 where there are none."""
    parts = in_order(given) or (0,)
    parts = parts * len(inputs) if len(parts) == 1 else parts
    return [np.broadcast_to(to_numpy(b).astype(np.float64), x.shape) for b, x in zip(parts, inputs, strict=True)]


def _flat(arrays: list[Array]) -> Array:
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


def _shaped(rows: Array, like: list[Array]) -> list[Array]:
    """Rows of all inputs' elements as arrays of each input."""
    ends = np.cumsum([array[0].size for array in like])
    return [part.reshape(array.shape) for part, array in zip(np.split(rows, ends[:-1], axis=1), like, strict=True)]


class _Path:
    """Where one sample is on its path, and what was summed until there."""

    def __init__(self, end: Array, start: Array, fraction: float, max_dist: float) -> None:
        self.end, self.start, self.fraction, self.max_dist = end, start, fraction, max_dist
        self.x, self.total = start.copy(), np.zeros_like(end)
        self.length = float(np.abs(end - start).sum())

    def _at(self, share: float) -> Array:
        return self.start + (self.end - self.start) * share

    def advance(self, slope: Array, share: float) -> None:
        """Move until what is left to the end is ``1 − share`` of the whole way."""
        if not self.length:
            return
        last = self._at(min(share + self.max_dist, 1.0))
        begun = self.x
        self.x = self._caught_up(self._at(max(share - self.max_dist, 0.0)))
        left = self.length * (1 - share)
        while True:
            to_go = float(np.abs(self.end - self.x).sum()) - left
            if to_go <= 1e-12 * self.length:
                break
            free = self.x != last
            if not free.any():
                break
            sizes = np.abs(slope)
            lowest = np.quantile(np.where(free, sizes, np.inf), self.fraction, method="lower")
            chosen = free & (sizes <= lowest) if np.isfinite(lowest) else free
            reach = float(np.abs(last - self.x)[chosen].sum())
            part = 1.0 if to_go >= reach else to_go / reach
            moved = self.x + part * (last - self.x)
            self.x = np.where(chosen, last if part == 1.0 else moved, self.x)
        self.total += (self.x - begun) * slope

    def _caught_up(self, first: Array) -> Array:
        """Elements that have fallen behind where they may be moved there."""
        behind = np.abs(self.x - self.start) < np.abs(first - self.start)
        return np.where(behind, first, self.x)
