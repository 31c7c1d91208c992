"""Passes through a model up to one of its layers and on from there: its activations, their gradients, the scores.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.torch_scores import scores_of

__all__ = ["LayerPass", "given", "layer_pass", "places_first", "returning"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LayerPass:
    """What a pass has shown.

    Attributes
    ----------
    activations
        Output of the layer, ``(N, …)``.
    gradients
        Of the scores, or ``None`` if they were not asked for.
    scores
        One number a sample, ``(N,)``.
    """

    activations: torch.Tensor
    gradients: torch.Tensor | None
    scores: torch.Tensor | None


def given(call: MethodCall) -> tuple[Any, ...]:
    """Everything that goes into the model."""
    return (*call.inputs, *in_order(call.option("extra")))


@contextmanager
def returning(layer: torch.nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Within, a layer returns what ``change`` makes of what it would return."""
    hook = layer.register_forward_hook(lambda module, _, output: change(output))
    try:
        yield
    finally:
        hook.remove()


def layer_pass(
    call: MethodCall,
    score: Callable[[torch.Tensor, Any], torch.Tensor] = scores_of,
    *,
    gradients: bool = True,
    curvature: bool = False,
) -> LayerPass:
    """Run the model on the inputs, so many samples at once as may be.

    Parameters
    ----------
    score
        One number a row, ``(N,)``, of the model's output and the target.
    gradients
        Whether they are wanted.
    curvature
        Take half the product of the Hessian and the activations off the gradients.
    """
    values, size = given(call), call.batch_size
    count = int(call.inputs[0].shape[0])
    if size is None or count <= size:
        return _one_pass(call, values, call.target, score, gradients=gradients, curvature=curvature)
    parts = []
    for start in range(0, count, size):
        rows = slice(start, start + size)
        piece = [x[rows] if getattr(x, "shape", ())[:1] == (count,) else x for x in values]
        target = call.target[rows] if isinstance(call.target, list) else call.target
        parts.append(_one_pass(call, piece, target, score, gradients=gradients, curvature=curvature))
    return LayerPass(
        torch.cat([part.activations for part in parts]),
        torch.cat([part.gradients for part in parts if part.gradients is not None]) if gradients else None,
        torch.cat([part.scores for part in parts if part.scores is not None]) if parts[0].scores is not None else None,
    )


def _one_pass(
    call: MethodCall,
    values: Sequence[Any],
    target: Any,
    score: Callable[[torch.Tensor, Any], torch.Tensor],
    *,
    gradients: bool,
    curvature: bool,
) -> LayerPass:
    seen: list[torch.Tensor] = []

    def keep(output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_(gradients)
        seen.append(leaf)
        return leaf.clone()  # what works in place goes on with the copy

    with returning(call.layer, keep), torch.set_grad_enabled(gradients):
        output = call.model(*values)
        if not seen:
            raise InvalidArgumentError("the model does not run the layer for these inputs: name another one")
        has_target = call.spec.by_role("target", "score") is not None
        scores = score(output, target) if has_target else None
    activations, slopes = seen[0], None
    if gradients and scores is not None:
        slopes = _gradients(scores, activations, curvature)
    return LayerPass(activations.detach(), slopes, None if scores is None else scores.detach())


def _gradients(scores: torch.Tensor, activations: torch.Tensor, curvature: bool) -> torch.Tensor:
    if not scores.requires_grad:  # they do not depend on the layer
        return torch.zeros_like(activations)
    (first,) = torch.autograd.grad(scores.sum(), activations, create_graph=curvature, allow_unused=True)
    if first is None:
        return torch.zeros_like(activations)
    second = None
    if curvature and first.requires_grad:
        (second,) = torch.autograd.grad(first, activations, activations.detach(), allow_unused=True)
    return first.detach() if second is None else (first - second / 2).detach()


def places_first(call: MethodCall, tensor: torch.Tensor) -> Array:
    """A tensor that lies like the layer's output, as pytorch-grad-cam has maps: ``(N, C, places…)``, float32 at least.

    Raises
    ------
    InvalidArgumentError
        The layer has no places beside channels.
    """
    tensor = tensor.float() if tensor.dtype.itemsize < 4 else tensor
    function = call.init_options.get("reshape_transform")
    array = to_numpy(tensor if function is None else function(tensor))
    if function is None and call.arrange is not None:
        array = np.moveaxis(call.arrange(array), -1, 1)
    if array.ndim < 3:
        raise InvalidArgumentError(
            f"the layer returns shape {tuple(tensor.shape)}; {call.spec.key} needs one that has places beside channels"
        )
    return array
