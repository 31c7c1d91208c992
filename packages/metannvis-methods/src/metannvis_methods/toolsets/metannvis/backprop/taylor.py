"""Sensitivity analysis and simple Taylor decomposition: the gradient squared, and the gradient at a root."""

from __future__ import annotations

from typing import Any

import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.scoring import gradients, scores
from metannvis_methods.toolsets.metannvis.method import Method

__all__ = ["SensitivityAnalysis", "SimpleTaylor"]

#: Where the search begins and ends, as shares of the distance at which a linear function is zero.
NEAREST, FARTHEST = 0.25, 512.0


class SensitivityAnalysis(Method):
    """The squared gradient ``(∂f/∂x_i)²`` (Simonyan et al., 2013; Montavon et al., 2018, arXiv:1706.07979)."""

    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> MethodOutput:
        """Not below zero, in the shape of the inputs."""
        _, slopes = gradients(self.call, self.call.inputs, additional_forward_args)
        return MethodOutput(self.as_given([slope**2 for slope in slopes]))


class SimpleTaylor(Method):
    """First-order Taylor decomposition at a root (Bach et al., 2015; Montavon et al., 2017, arXiv:1512.02479).

    ``R_i = (x_i − x̃_i) ∂f/∂x_i`` at the first root ``x̃`` that is found on the line from ``x`` along the gradient, against it
    where the output is positive. On a linear function that is ``f w_i² / ‖w‖²``.
    """

    def attribute(
        self, inputs: Any, target: Any = None, additional_forward_args: Any = None, n_steps: int = 20
    ) -> MethodOutput:
        """Relevance in the shape of the inputs.

        Parameters
        ----------
        n_steps
            Points at which a change of sign is looked for, and steps that narrow it down.

        Raises
        ------
        InvalidArgumentError
            There is no root on the line.
        """
        call, extra = self.call, in_order(additional_forward_args)
        whole, slopes = gradients(call, call.inputs, extra)
        square = torch.stack([(g**2).flatten(1).sum(1) for g in slopes]).sum(0)
        away = whole.sign()

        def moved(steps: torch.Tensor) -> list[torch.Tensor]:
            by_row = (steps * away).nan_to_num()
            return [x - by_row.reshape(-1, *[1] * (x.ndim - 1)) * g for x, g in zip(call.inputs, slopes, strict=True)]

        def value(steps: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return scores(call, moved(steps), extra) * away  # not below zero at the input

        low, low_value = torch.zeros_like(whole), whole.abs()
        high, high_value = torch.full_like(whole, torch.nan), torch.full_like(whole, torch.nan)
        step = whole.abs() / square * NEAREST
        growth = (FARTHEST / NEAREST) ** (1 / max(n_steps - 1, 1))
        for _ in range(n_steps):
            found = value(step)
            crossed = (found <= 0) & high.isnan()
            high, high_value = torch.where(crossed, step, high), torch.where(crossed, found, high_value)
            before = high.isnan() & found.isfinite()
            low, low_value = torch.where(before, step, low), torch.where(before, found, low_value)
            step = step * growth
        rootless = (high.isnan() & (whole != 0)).nonzero().flatten().tolist()
        if rootless:
            raise InvalidArgumentError(
                f"simple_taylor: the output of sample {', '.join(map(str, rootless))} has no root on the line along its "
                f"gradient, as far as {FARTHEST:.0f} times the distance at which a linear function would have one: take lrp, "
                "deep_taylor or integrated_gradients"
            )
        root, before = self._narrowed(value, n_steps, low, low_value, high, high_value)
        root, before = (torch.where(whole == 0, 0.0, steps) for steps in (root, before))
        points = moved(root)
        _, at_root = gradients(call, points, extra)
        at_root = self._on_this_side(at_root, moved(before), extra)
        return MethodOutput(self.as_given([(x - p) * g for x, p, g in zip(call.inputs, points, at_root, strict=True)]))

    def _on_this_side(self, at_root: Any, before: list[torch.Tensor], extra: Any) -> Any:
        """Gradients at the root; those just before it of a sample that has none there: a ReLU is flat from its root on."""
        steepest = torch.stack([g.abs().flatten(1).amax(1) for g in at_root]).amax(0)
        if steepest.all():
            return at_root
        _, nearby = gradients(self.call, before, extra)
        return [
            torch.where((steepest == 0).reshape(-1, *[1] * (g.ndim - 1)), there, g)
            for g, there in zip(at_root, nearby, strict=True)
        ]

    def _narrowed(
        self,
        value: Any,
        n_steps: int,
        low: torch.Tensor,
        low_value: torch.Tensor,
        high: torch.Tensor,
        high_value: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The root between two points, and the last point before it.

        By false position, where an end that stays is given half its weight (Illinois); by halves where the output is zero
        from the root on, so that it is the first one.
        """
        side = torch.zeros_like(low)
        root = high
        for _ in range(n_steps):
            root = high - high_value * (high - low) / (high_value - low_value)
            root = torch.where(root.isfinite(), root, high)
            root = torch.where(high_value == 0, (low + high) / 2, root)
            found = value(root)
            above = found > 0
            high_value = torch.where(above & (side > 0), high_value / 2, high_value)
            low_value = torch.where(~above & (side < 0), low_value / 2, low_value)
            low, low_value = torch.where(above, root, low), torch.where(above, found, low_value)
            high, high_value = torch.where(above, high, root), torch.where(above, high_value, found)
            side = torch.where(above, 1.0, -1.0).to(side)
        return torch.where(high_value == 0, high, root), low
