"""Copies of models, and of the tensors in them that are neither parameters nor buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.kept_state import DEPTH, IGNORED, is_followed
from metannvis_translate.frameworks.torch.tensor_copies import is_plain
from metannvis_translate.process import patched

if TYPE_CHECKING:
    import torch

__all__ = ["convert_plain_tensors", "copied"]


def convert_plain_tensors(model: torch.nn.Module, convert: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Put tensors that are no buffers, also those in lists and objects, through a function: ``module.to()`` leaves them."""
    import torch

    done: dict[int, torch.Tensor] = {}

    def walk(value: Any, depth: int) -> Any:
        if depth > DEPTH:
            return value
        if isinstance(value, torch.Tensor):
            if not is_plain(value) or isinstance(value, torch.nn.Parameter):
                return value
            if id(value) not in done:
                done[id(value)] = convert(value)
            return done[id(value)]
        if isinstance(value, dict):
            for key in list(value):
                found = walk(value[key], depth + 1)
                if found is not value[key]:
                    value[key] = found
        elif isinstance(value, list):
            value[:] = [walk(item, depth + 1) for item in value]
        elif type(value) is tuple:
            return tuple(walk(item, depth + 1) for item in value)
        elif is_followed(value):
            walk(vars(value), depth + 1)
        return value

    for module in model.modules():
        attributes = vars(module)
        for name in [name for name in attributes if name not in IGNORED]:
            found = walk(attributes[name], 0)
            if found is not attributes[name]:
                attributes[name] = found


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """A deep copy, also of a model that holds results of computations.

    ``copy.deepcopy`` refuses a tensor that has a history (the weight that ``torch.nn.utils.weight_norm`` computes, an attribute
    made from a parameter); a copy of it is a tensor without one.
    """
    import copy

    import torch

    kind: Any = torch.Tensor
    own = kind.__deepcopy__

    def deep(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
        if tensor.is_leaf or id(tensor) in memo:
            return own(tensor, memo)
        memo[id(tensor)] = tensor.detach().clone()
        return memo[id(tensor)]

    with contextlib.ExitStack() as stack:
        stack.enter_context(patched(kind, "__deepcopy__", deep))
        return copy.deepcopy(model)
