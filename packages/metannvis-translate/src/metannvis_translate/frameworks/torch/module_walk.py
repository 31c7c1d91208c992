"""Walks over the modules of a PyTorch model, as ``named_modules()`` gives them, in a fraction of its time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["modules_of", "tensors_of", "walk"]


def modules_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Each module once, the model first; without their paths they are found in a third of the time."""
    found = {id(model): model}
    ahead = [model]
    while ahead:
        held = itertools.chain.from_iterable([module._modules.values() for module in ahead])
        below = {id(child): child for child in held if child is not None and id(child) not in found}
        ahead = list(below.values())
        found.update(below)
    return list(found.values())


def walk(model: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    """Each module once, by its first path, before what it holds.

    ``named_modules()`` hands each module through as many generators as it lies deep, which takes longer than all else that is
    done about it.
    """
    found: list[tuple[str, torch.nn.Module]] = []
    seen: set[int] = set()
    ahead: list[tuple[str, torch.nn.Module]] = [("", model)]
    while ahead:
        path, module = ahead.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        found.append((path, module))
        prefix = f"{path}." if path else ""
        held = [(prefix + name, child) for name, child in module._modules.items() if child is not None]
        held.reverse()
        ahead += held
    return found


def tensors_of(modules: Iterable[tuple[str, torch.nn.Module]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers of these modules by their paths; what stands at two of them by both."""
    for path, module in modules:
        prefix = f"{path}." if path else ""
        for held in (module._parameters, module._buffers):
            yield from ((prefix + name, tensor) for name, tensor in held.items() if tensor is not None)
