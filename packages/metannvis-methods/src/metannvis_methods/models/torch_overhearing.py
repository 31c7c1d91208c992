"""Overhearing of PyTorch modules: what goes in and comes out at each pass that a toolkit makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from metannvis_methods.models.base import Listener
from metannvis_methods.models.final_activation import FinalActivation, comes_of_probabilities
from metannvis_methods.models.structures import leaves

__all__ = ["overhearing"]


@contextmanager
def overhearing(model: torch.nn.Module, listener: Listener) -> Iterator[None]:
    """Inside, a listener is told of the passes through a module."""
    running: list[FinalActivation] = []

    def begin(module: Any, given: Any) -> None:
        if not (listener.wants and listener.looks_at_last) or running:
            return
        if listener.expects_last or not _has_graph(module, given):
            running.append(FinalActivation())
            running[0].__enter__()

    def end(module: Any, given: Any, output: Any) -> None:
        last = running.pop() if running else None
        if last is not None:
            last.__exit__(None, None, None)
        if not listener.wants:
            return
        found = list(leaves(output, torch.is_tensor))
        final: tuple[bool, ...] | None = None
        if last is not None:
            final = tuple(last.before(x) is not None for _, x in found)
        elif listener.looks_at_last:
            told = [comes_of_probabilities(x) for _, x in found]
            final = None if None in told else tuple(map(bool, told))
        listener.hear(given, found, final)

    handles = [model.register_forward_pre_hook(begin), model.register_forward_hook(end)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        if running:  # the model has raised
            running.pop().__exit__(None, None, None)


def _has_graph(module: torch.nn.Module, given: Any) -> bool:
    """Whether what comes out will say of itself how it came about."""
    if not torch.is_grad_enabled():
        return False
    moved = any(torch.is_tensor(x) and x.requires_grad for x in given)
    return moved or any(parameter.requires_grad for parameter in module.parameters())
