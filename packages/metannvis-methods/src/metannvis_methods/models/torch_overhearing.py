"""Overhearing of PyTorch modules: what goes in and comes out at each pass that a toolkit makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from metannvis_methods.models.base import Listener
from metannvis_methods.models.final_activation import FinalActivation
from metannvis_methods.models.structures import leaves

__all__ = ["overhearing"]


@contextmanager
def overhearing(model: torch.nn.Module, listener: Listener) -> Iterator[None]:
    """Inside, a listener is told of the passes through a module."""
    running: list[FinalActivation] = []

    def begin(module: Any, given: Any) -> None:
        if listener.wants and listener.looks_at_last and not running:
            running.append(FinalActivation())
            running[0].__enter__()

    def end(module: Any, given: Any, output: Any) -> None:
        last = running.pop() if running else None
        if last is not None:
            last.__exit__(None, None, None)
        if not listener.wants:
            return
        found = list(leaves(output, torch.is_tensor))
        listener.hear(given, found, None if last is None else tuple(last.before(x) is not None for _, x in found))

    handles = [model.register_forward_pre_hook(begin), model.register_forward_hook(end)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        if running:  # the model has raised
            running.pop().__exit__(None, None, None)
