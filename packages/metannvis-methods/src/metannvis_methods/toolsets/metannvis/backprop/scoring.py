"""Scores and their gradients, of inputs and of what a layer returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.cam_formulas import MAP_AXES
from metannvis_methods.toolsets.metannvis.method import picked

__all__ = ["as_map", "at_layer", "gradients", "layer_maps", "repeated", "rows_at_once", "scores"]

Array = np.ndarray[Any, Any]
#: Rows of a pass where nobody says.
ROWS = 32


def scores(call: MethodCall, inputs: Sequence[torch.Tensor], extra: Any = None) -> torch.Tensor:
    """The explained number of each row, shape ``(rows,)``; rows are copies of the samples, each copy with all of them."""
    samples = len(call.inputs[0])
    given = repeated(in_order(extra), len(inputs[0]) // samples)
    found: torch.Tensor = picked(call.model(*inputs, *given), call.target, samples)
    return found


def rows_at_once(call: MethodCall) -> int:
    """Copies of the samples that pass at once."""
    return max(1, (call.batch_size or ROWS) // len(call.inputs[0]))


def repeated(tensors: Sequence[Any], copies: int) -> tuple[Any, ...]:
    """Tensors with all their rows so many times."""
    if copies == 1:
        return tuple(tensors)
    return tuple(x.repeat(copies, *[1] * (x.ndim - 1)) if torch.is_tensor(x) and x.ndim else x for x in tensors)


def gradients(
    call: MethodCall, inputs: Sequence[torch.Tensor], extra: Any = None
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Scores, and their derivatives with respect to each input: zero where a score does not depend on it."""
    points = [x.detach().requires_grad_() for x in inputs]
    with torch.enable_grad():
        found = scores(call, points, extra)
        slopes = torch.autograd.grad(found.sum(), points, allow_unused=True)
    return found.detach(), tuple(torch.zeros_like(x) if g is None else g for x, g in zip(points, slopes, strict=True))


def at_layer(
    call: MethodCall, extra: Any = None, instead: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the layer returns, and the derivative of the scores with respect to it.

    ``instead``: a tensor that it is made to return.
    """
    kept: list[torch.Tensor] = []

    def keep(layer: Any, given: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append((output if instead is None else instead).detach().requires_grad_())
        return kept[-1]

    hook = call.layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            found = scores(call, call.inputs, extra)
            (slope,) = torch.autograd.grad(found.sum(), kept[-1], allow_unused=True)
    finally:
        hook.remove()
    activation = kept[-1].detach()
    return activation, torch.zeros_like(activation) if slope is None else slope


def layer_maps(call: MethodCall, tensor: torch.Tensor) -> Array:
    """A layer's output as NumPy, shape ``(N, places…, C)``."""
    array = to_numpy(tensor)
    return np.moveaxis(array, 1, -1) if call.arrange is None else call.arrange(array)


def as_map(call: MethodCall, cam: Array) -> MethodOutput:
    """A map of shape ``(N, places…)`` as it lies on the layer's output, its channels one."""
    if call.arrange is not None:
        return MethodOutput(cam, over="layer", channels=False, axes=MAP_AXES[cam.ndim])
    return MethodOutput(cam[:, None], over="layer")
