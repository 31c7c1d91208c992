"""Conductance of a layer: its gradients, integrated along what the layer returns on the way from baseline to input.

Captum takes the gradient at the start of each step, and its first and last nodes lie within the path: what is missing of the
sum falls as one over the number of steps, however smooth the network is. Here the integral is that of the trapezoidal rule over
nodes that reach both ends, once more at every second node, and extrapolated: it falls as the fourth power on smooth networks.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from captum._utils.common import (
    _expand_additional_forward_args,
    _expand_target,
    _format_additional_forward_args,
)
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import LayerConductance
from captum.attr._utils.common import _format_input_baseline
from torch import Tensor

__all__ = ["conductance"]

#: Captum's default.
STEPS = 50
Tensors = tuple[Tensor, ...]


def conductance(method: LayerConductance, arguments: dict[str, Any]) -> Any:
    """What ``LayerConductance.attribute`` returns (Dhamdhere et al., 2018, arXiv:1805.12233, equation 3)."""
    steps = int(arguments.get("n_steps", STEPS))
    if steps < 2:
        return method.attribute(**arguments)
    steps += steps % 2
    inputs, baselines = _format_input_baseline(arguments["inputs"], arguments.get("baselines"))
    fine: list[Any] = []
    coarse: list[Any] = []
    last = before = None
    for k, node in enumerate(_nodes(method, inputs, baselines, steps, arguments)):
        if last is not None:
            _add(fine, last, node)
        if k % 2 == 0:
            if before is not None:
                _add(coarse, before, node)
            before = node
        last = node
    values = tuple((4 * a - b) / 3 for a, b in zip(fine, coarse, strict=True))
    found = values if len(values) > 1 else values[0]
    if not arguments.get("return_convergence_delta", False):
        return found
    more = {name: arguments.get(name) for name in ("target", "additional_forward_args")}
    return found, method.compute_convergence_delta(values, baselines, inputs, **more)


def _nodes(
    method: LayerConductance, inputs: Tensors, baselines: Any, steps: int, arguments: dict[str, Any]
) -> Iterator[tuple[Tensors, Tensors]]:
    """Gradients with respect to the layer, and what it returns, at each node of the path; so many rows at a time."""
    count, bound = len(inputs[0]), arguments.get("internal_batch_size")
    at_once = steps + 1 if bound is None else max(1, int(bound) // count)
    extra = _format_additional_forward_args(arguments.get("additional_forward_args"))
    for start in range(0, steps + 1, at_once):
        shares = [k / steps for k in range(start, min(start + at_once, steps + 1))]
        points = tuple(
            torch.cat([b + share * (x - b) for share in shares]).requires_grad_()
            for x, b in zip(inputs, baselines, strict=True)
        )
        gradients, values = compute_layer_gradients_and_eval(
            forward_fn=method.forward_func,
            layer=method.layer,
            inputs=points,
            additional_forward_args=None if extra is None else _expand_additional_forward_args(extra, len(shares)),
            target_ind=_expand_target(arguments.get("target"), len(shares)),
            device_ids=method.device_ids,
            attribute_to_layer_input=bool(arguments.get("attribute_to_layer_input", False)),
            grad_kwargs=arguments.get("grad_kwargs"),
        )
        pieces = [[part.detach().chunk(len(shares)) for part in several] for several in (gradients, values)]
        for k in range(len(shares)):
            yield tuple(part[k] for part in pieces[0]), tuple(part[k] for part in pieces[1])


def _add(total: list[Any], start: tuple[Tensors, Tensors], stop: tuple[Tensors, Tensors]) -> None:
    """Add the trapezoid between two nodes: the mean of their gradients times the difference of what the layer returns."""
    parts = [(g + g1) / 2 * (h1 - h) for g, h, g1, h1 in zip(*start, *stop, strict=True)]
    total[:] = parts if not total else [a + b for a, b in zip(total, parts, strict=True)]
