"""FullGrad: the gradient of the input and those of all biases, as maps over the input (Srinivas, Fleuret, 2019).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.grad_cam.layer_pass import given
from metannvis_methods.toolsets.torch_scores import scores_of

__all__ = ["FullGrad"]

CONVOLUTIONS = tuple(getattr(torch.nn, f"Conv{kind}{rank}d") for kind in ("", "Transpose") for rank in (1, 2, 3))
NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
#: What keeps the scaling of a map from dividing by zero, as in pytorch-grad-cam.
EPSILON = 1e-7


class FullGrad:
    """The sum of the scaled absolute maps of the input times its gradient, and of each channel's bias times its gradient."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, call: MethodCall) -> list[torch.Tensor | None]:
        """A map for each input that is an image, ``(N, places…)``; ``None`` for the others.

        Raises
        ------
        InvalidArgumentError
            No input is one.
        """
        outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

        def keep(module: Any, _: Any, output: torch.Tensor) -> None:
            if output.ndim >= 3 and output.requires_grad:
                outputs.append((_bias(module), output))

        images = [x.detach().requires_grad_() if _is_image(x) else x for x in call.inputs]
        places = [place for place, x in enumerate(images) if _is_image(x)]
        layers = [module for module in self.model.modules() if _has_bias(module)]
        hooks = [layer.register_forward_hook(keep) for layer in layers]
        try:
            scores = scores_of(self.model(*images, *given(call)[len(images) :]), call.target)
        finally:
            for hook in hooks:
                hook.remove()
        places = [place for place in places if any(output.ndim == images[place].ndim for _, output in outputs)]
        if not places:
            raise InvalidArgumentError(
                "full_grad makes maps of images by the biases of convolutions and norms, and the model has none over the "
                "places of an input"
            )
        of = [*(images[place] for place in places), *(output for _, output in outputs)]
        found: Any = [None] * len(of)
        if scores.requires_grad:
            found = torch.autograd.grad(scores.sum(), of, allow_unused=True)
        parts = [
            (bias * slope if bias is not None else x.detach() * slope)
            for bias, x, slope in zip([None] * len(places) + [b for b, _ in outputs], of, found, strict=True)
            if slope is not None
        ]
        maps: list[torch.Tensor | None] = [None] * len(images)
        for place in places:
            size = tuple(images[place].shape[2:])
            like = [_scaled(part.abs(), size) for part in parts if part.ndim == images[place].ndim]
            maps[place] = sum(like, images[place].new_zeros(len(images[place]), *size)).detach()
        return maps


def _is_image(tensor: torch.Tensor) -> bool:
    return tensor.ndim >= 3 and tensor.is_floating_point()


def _has_bias(module: Any) -> bool:
    if isinstance(module, NORMS):
        return module.running_mean is not None
    return isinstance(module, CONVOLUTIONS) and module.bias is not None


def _bias(module: Any) -> torch.Tensor:
    """What a layer adds to each channel, ``(1, C, 1…)``; a batch norm moves its mean to its bias."""
    rank = 1 if not isinstance(module, CONVOLUTIONS) else module.weight.ndim - 2
    bias = module.bias
    if isinstance(module, NORMS):
        scale = torch.rsqrt(module.running_var + module.eps) * (1 if module.weight is None else module.weight)
        bias = (0 if bias is None else bias) - module.running_mean * scale
        rank = int(type(module).__name__[-2])
    return bias.detach().reshape(1, -1, *[1] * rank)


def _scaled(maps: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Channels scaled to 0…1 each, enlarged and added up: ``(N, C, places…)`` to ``(N, places…)``."""
    flat = maps.flatten(2)
    flat = flat - flat.amin(2, keepdim=True)
    flat = flat / (EPSILON + flat.amax(2, keepdim=True))
    grown = torch.nn.functional.interpolate(
        flat.reshape(maps.shape), size, mode=LINEAR[maps.ndim - 2], align_corners=False
    )
    return grown.sum(1)
