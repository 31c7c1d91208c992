"""Canonical form for zennit: additions as its sums, batch norms merged into the layer before them.

The model is the caller's, or a translation; modules are exchanged while a method runs and put back.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from metannvis_translate.frameworks.torch import addition_class
from zennit.layer import Sum
from zennit.types import ConvolutionTranspose

__all__ = ["Addition", "Sum", "exchanged", "is_addition"]


class Addition(torch.nn.Module):
    """An addition by a sum of zennit's, which has a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum(-1)

    def forward(self, a: Any, b: Any) -> torch.Tensor:
        """Sum of two tensors, or of a tensor and a number."""
        like = a if isinstance(a, torch.Tensor) else b
        tensors = [x if isinstance(x, torch.Tensor) else torch.as_tensor(x).to(like) for x in (a, b)]
        found: torch.Tensor = self.sum(torch.stack(torch.broadcast_tensors(*tensors), -1))
        return found


def is_addition(module: torch.nn.Module) -> bool:
    """Whether a module is one addition."""
    kind = type(module)
    return kind is addition_class() or (kind.__name__ == "Addition_Module" and kind.__module__.startswith("captum."))


@contextmanager
def exchanged(
    model: torch.nn.Module, merged: Sequence[tuple[str, str]]
) -> Iterator[Mapping[torch.nn.Module, torch.nn.Module]]:
    """Within, the model is in canonical form; gives what stands for which module.

    Parameters
    ----------
    merged
        Names of linear layers and of the batch norms behind them.
    """
    modules = dict(model.named_modules())
    instead: dict[torch.nn.Module, torch.nn.Module] = {
        module: _like(Addition(), module) for module in modules.values() if is_addition(module)
    }
    for linear, norm in merged:
        instead[modules[linear]] = _merged(modules[linear], modules[norm])
        instead[modules[norm]] = _like(torch.nn.Identity(), modules[norm])
    places = [
        (parent, name, child)
        for parent in modules.values()
        for name, child in parent._modules.items()
        if child is not None and child in instead
    ]
    try:
        for parent, name, child in places:
            parent._modules[name] = instead[child]
        yield instead
    finally:
        for parent, name, child in places:
            parent._modules[name] = child


def _like(new: torch.nn.Module, old: torch.nn.Module) -> torch.nn.Module:
    """With the hooks of another module: a layer that is looked at still is."""
    new.training = old.training
    for name in ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"):
        setattr(new, name, getattr(old, name))
    return new


def _merged(linear: Any, norm: Any) -> torch.nn.Module:
    """A linear layer that computes what it and the batch norm behind it do: ``w' = w·g/√(v + e)``."""
    scale = torch.rsqrt(norm.running_var + norm.eps) * (1 if norm.weight is None else norm.weight)
    shift = (0 if norm.bias is None else norm.bias) - norm.running_mean * scale
    weight = linear.weight
    if isinstance(linear, ConvolutionTranspose):  # (in, out / groups, …)
        parts = weight.reshape(linear.groups, -1, *weight.shape[1:])
        ones = (1,) * (weight.ndim - 2)
        weight = (parts * scale.reshape(linear.groups, 1, -1, *ones)).reshape(weight.shape)
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    new = copy.copy(linear)
    new._parameters = dict(linear._parameters)
    new.weight = torch.nn.Parameter(weight.detach())
    new.bias = torch.nn.Parameter((shift if linear.bias is None else linear.bias * scale + shift).detach())
    return new
