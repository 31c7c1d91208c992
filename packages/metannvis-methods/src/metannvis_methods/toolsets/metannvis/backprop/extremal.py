"""Extremal perturbation: the mask of a given area under which an output is largest, or smallest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.blurring import places_to_blur
from metannvis_methods.toolsets.metannvis.backprop.smooth_masks import BlurPyramid, SmoothMask
from metannvis_methods.toolsets.metannvis.method import Method, picked

__all__ = ["REWARDS", "ExtremalPerturbation"]

#: Of images with sides of 224, as the widths are that follow: places a cell, width of the kernel, strongest blur.
SIDE, STEP, SIGMA, BLUR = 224, 7, 21.0, 20.0
LEVELS = 8
RATE, MOMENTUM = 0.01, 0.9
#: Weight of the area, and its growth with each step.
WEIGHT, GROWTH = 300.0, 1.0035
#: Difference of two values of a mask that is rounding.
SAME = 1e-6
REWARDS = ("preserve", "delete", "dual", "contrastive")


class ExtremalPerturbation(Method):
    """A smooth mask that maximizes a reward at a given area (Fong et al., 2019, arXiv:1910.08485).

    ``max_m reward(m ⊗ x) − λ mean (sort(m) − r_a)²``, where ``r_a`` has a share ``a`` of ones, and ``m ⊗ x`` is the input
    blurred where the mask is not one. By stochastic gradient descent (0.01, momentum and dampening 0.9); ``λ`` grows from 300
    by 0.35 % a step, and every second input is mirrored along its last place. Places of one value, as all are at first, share
    what is asked of them, where the paper's sort takes one before the other as they lie in memory.
    """

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        additional_forward_args: Any = None,
        areas: Sequence[float] = (0.1,),
        reward: str = "preserve",
        n_steps: int = 800,
    ) -> MethodOutput:
        """Masks over the places of the input, values in 0…1, shape ``(N, places…)``; of several areas their sum.

        Parameters
        ----------
        areas
            Shares of the input that are kept, or deleted.
        reward
            ``"preserve"``: the output for what the mask keeps; ``"delete"``: less the output for what is left of it;
            ``"dual"``: both; ``"contrastive"``: the output less the largest of the others, for what the mask keeps.
        n_steps
            Steps of the descent, one pass each; ``"dual"`` takes two.

        Raises
        ------
        InvalidArgumentError
            There are several inputs, or the input has no places, or holds indices.
        """
        if len(self.call.inputs) > 1:
            raise InvalidArgumentError(
                "extremal_perturbation masks one input: give the others as additional_forward_args"
            )
        if not self.call.inputs[0].is_floating_point():
            raise InvalidArgumentError(
                "extremal_perturbation blurs numbers, and the input holds whole numbers (indices): take feature_ablation or "
                "shapley_value_sampling"
            )
        extra = in_order(additional_forward_args)
        masks = sum(self._mask(area, reward, n_steps, extra) for area in areas)
        return MethodOutput(self.as_given([masks]), channels=False)

    def _mask(self, area: float, reward: str, n_steps: int, extra: Sequence[Any]) -> torch.Tensor:
        (x,) = self.call.inputs
        places = places_to_blur(self.call)
        sizes = [x.shape[axis] for axis in places]
        scale = max(sizes) / SIDE
        smooth = SmoothMask(sizes, max(1, round(STEP * scale)), SIGMA * scale, x)
        pyramid = BlurPyramid(x, places, BLUR * scale, LEVELS)
        coarse = torch.ones(len(x), *smooth.cells, dtype=x.dtype, device=x.device, requires_grad=True)
        count = smooth(coarse.detach())[0].numel()
        reference = (torch.arange(count, device=x.device) >= round((1 - area) * count)).to(x)
        velocity = torch.zeros_like(coarse)
        for step in range(n_steps):
            with torch.enable_grad():
                mask = smooth(coarse)
                gain = self._reward(pyramid, mask, reward, extra, mirrored=step % 2 == 0)
                far = distance_to_area(mask, reference)
                (slope,) = torch.autograd.grad((WEIGHT * GROWTH**step * far - gain).sum(), coarse)
            # as PyTorch's optimizer does it: the first step is not dampened
            velocity = slope if not step else MOMENTUM * velocity + (1 - MOMENTUM) * slope
            coarse = (coarse.detach() - RATE * velocity).clamp(0, 1).requires_grad_()
        return smooth(coarse.detach())

    def _reward(
        self, pyramid: BlurPyramid, mask: torch.Tensor, reward: str, extra: Sequence[Any], *, mirrored: bool
    ) -> torch.Tensor:
        def output(kept: torch.Tensor) -> torch.Tensor:
            shown = pyramid(kept)
            found: torch.Tensor = self.call.model(shown.flip(pyramid.places[-1]) if mirrored else shown, *extra)
            return found

        target, samples = self.call.target, len(mask)
        if reward == "contrastive":
            whole = output(mask)
            if whole.ndim != 2 or whole.shape[1] < 2 or target is None:
                raise InvalidArgumentError(
                    f"reward='contrastive' compares classes, and the output has shape {tuple(whole.shape)}"
                )
            own = torch.zeros_like(whole, dtype=torch.bool)
            own[torch.arange(samples), torch.as_tensor(target)] = True
            return whole[own] - whole.masked_fill(own, -torch.inf).amax(1)
        gain = torch.zeros(samples, dtype=mask.dtype, device=mask.device)
        if reward in ("preserve", "dual"):
            gain = gain + picked(output(mask), target, samples)
        if reward in ("delete", "dual"):
            gain = gain - picked(output(1 - mask), target, samples)
        return gain


def distance_to_area(mask: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the sorted values of each mask from zeros and ones, shape ``(N,)``.

    Values that are equal but for rounding are each held against the mean of those that they are in the place of.
    """
    values = mask.flatten(1).sort(1).values
    group = (values[:, 1:] - values[:, :-1] > SAME).cumsum(1)
    group = torch.cat([torch.zeros_like(group[:, :1]), group], 1)
    counts = torch.zeros_like(values).scatter_add(1, group, torch.ones_like(values))
    sums = torch.zeros_like(values).scatter_add(1, group, reference.expand_as(values))
    return (values - (sums / counts.clamp_min(1)).gather(1, group)).square().mean(1)
