"""Reconstructions: what a layer returns, carried back to the input by a deconvolutional network, and gradients of a channel.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.method import LayerMethod, generator_of

__all__ = ["Deconvnet", "FilterGuidedBackprop", "LayerVanillaGradient"]


class _FromLayer(LayerMethod):
    """Something of a layer, carried back to the inputs."""

    def _carried(
        self,
        inputs: Sequence[torch.Tensor],
        extra: Any,
        channel: int | None,
        begin: Callable[[torch.Tensor], torch.Tensor],
        rules: AbstractContextManager[Any],
    ) -> list[torch.Tensor]:
        """What is carried from the layer to the inputs, beginning as a function of the layer's output."""
        kept: list[torch.Tensor] = []
        hook = self.layer.register_forward_hook(lambda layer, given, output: kept.append(output))
        points = [x.detach().requires_grad_() for x in inputs]
        try:
            with torch.enable_grad(), rules:
                self.call.model(*points, *in_order(extra))
        finally:
            hook.remove()
        output = kept[-1]
        cotangent = begin(output.detach())
        if channel is not None:
            if not 0 <= channel < output.shape[1]:
                raise InvalidArgumentError(
                    f"{self.call.spec.key}: the layer has the channels 0 to {output.shape[1] - 1}, and no channel {channel}"
                )
            chosen = torch.zeros_like(cotangent)
            chosen[:, channel] = cotangent[:, channel]
            cotangent = chosen
        slopes = torch.autograd.grad(output, points, cotangent, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(points, slopes, strict=True)]


class Deconvnet(_FromLayer):
    """Reconstruction by a deconvolutional network (Zeiler, Fergus, 2013, arXiv:1311.2901).

    From the layer down, what is carried is put back where a max pool took it from (its switches), rectified at each ReLU, and
    convolved with the transposed filters. It begins as the rectified activations of the layer, or of one of its feature maps.
    """

    def attribute(self, inputs: Any, additional_forward_args: Any = None, channel: int | None = None) -> MethodOutput:
        """What of the input a layer has seen, in the shape of the inputs.

        Parameters
        ----------
        channel
            The feature map that is reconstructed, the others being zero; ``None``: all.

        Raises
        ------
        InvalidArgumentError
            The layer has no such channel.
        """
        found = self._carried(self.call.inputs, additional_forward_args, channel, torch.relu, Rectifying(guided=False))
        return MethodOutput(self.as_given(found))


class FilterGuidedBackprop(_FromLayer):
    """Guided backpropagation of a channel of a layer: of the sum of its absolute activations (Springenberg et al., 2014)."""

    def attribute(self, inputs: Any, channel: int, additional_forward_args: Any = None) -> MethodOutput:
        """Gradient in the shape of the inputs, through ReLUs where it and their input are positive."""
        rules = Rectifying(guided=True)
        return MethodOutput(
            self.as_given(self._carried(self.call.inputs, additional_forward_args, channel, torch.sign, rules))
        )


class LayerVanillaGradient(_FromLayer):
    """Gradient of the sum of a layer's activations, or of a channel's, at an image of noise (Simonyan et al., 2013)."""

    def attribute(self, inputs: Any, additional_forward_args: Any = None, channel: int | None = None) -> MethodOutput:
        """Gradient in the shape of the inputs, of which the noise has the shape and the range.

        Each number is drawn evenly between the smallest and the largest of its sample; the draws are the same for every sample.
        """
        generator = generator_of(self.call.seed)
        points = []
        for x in self.call.inputs:
            rest = tuple(range(1, x.ndim))
            drawn = torch.from_numpy(generator.random(tuple(x.shape[1:]))).to(x)
            low, high = x.amin(rest, keepdim=True), x.amax(rest, keepdim=True)
            points.append(low + (high - low) * drawn)
        found = self._carried(points, additional_forward_args, channel, torch.ones_like, nullcontext())
        return MethodOutput(self.as_given(found))


class Rectifying(TorchFunctionMode):
    """Inside, each ReLU lets only what is positive back; ``guided``: and only where its input was positive."""

    def __init__(self, *, guided: bool) -> None:
        super().__init__()
        self.guided = guided

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take another function in the place of a ReLU."""
        name = getattr(func, "__name__", "")
        if name not in ("relu", "relu_"):
            return func(*args, **(kwargs or {}))
        found = _Rectified.apply(args[0], self.guided)
        in_place = name == "relu_" or bool((kwargs or {}).get("inplace", args[1] if len(args) > 1 else False))
        return args[0].copy_(found) if in_place else found


class _Rectified(torch.autograd.Function):
    """A ReLU whose backward pass is one as well."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, guided: bool) -> torch.Tensor:
        ctx.guided = guided
        ctx.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor, None]:
        (positive,) = ctx.saved_tensors
        carried = cotangent.clamp(min=0)
        return carried * positive if ctx.guided else carried, None
