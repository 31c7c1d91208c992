"""Which layer of a PyTorch model put out which tensor, recorded while the model runs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["call_name", "recording", "structure_of", "tensors_in"]


def call_name(name: str, call: int, position: int = 0) -> str:
    """``conv``, ``conv:2`` for its second call, ``lstm#2`` for its second output tensor."""
    return name + (f":{call}" if call > 1 else "") + (f"#{position + 1}" if position else "")


def tensors_in(output: Any) -> list[torch.Tensor]:
    """The tensors in a module's output, depth first."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for item in output for tensor in tensors_in(item)]
    return []


def structure_of(output: Any) -> Any:
    """A module's output with the place of each tensor among :func:`tensors_in` instead of the tensor.

    Tuples and lists are lists, keys are strings; what holds no tensor is left out, ``None`` if nothing does.
    """
    places = itertools.count()

    def walk(item: Any) -> Any:
        import torch

        if isinstance(item, torch.Tensor):
            return next(places)
        if isinstance(item, Mapping):
            entries = {str(key): walk(entry) for key, entry in item.items()}
            return {key: entry for key, entry in entries.items() if entry is not None} or None
        if isinstance(item, (tuple, list)):
            return [entry for entry in map(walk, item) if entry is not None] or None
        return None

    return walk(output)


@contextmanager
def recording(model: torch.nn.Module, sink: Callable[[str, torch.nn.Module, torch.Tensor], None]) -> Iterator[None]:
    """Call ``sink(name, module, tensor)`` for each tensor that each submodule puts out, in execution order.

    Containers come behind what they hold. A module registered under two paths goes by the first. The hooks are gone
    afterwards, whatever happens.
    """
    calls: Counter[str] = Counter()
    handles = []

    def hook_for(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
            calls[name] += 1
            for position, tensor in enumerate(tensors_in(output)):
                sink(call_name(name, calls[name], position), module, tensor)

        return hook

    try:
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_hook(hook_for(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()
