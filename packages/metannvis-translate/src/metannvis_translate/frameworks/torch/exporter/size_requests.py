"""Requests for sizes: what a model is given that asks a tensor for its shape, and what an operator that is given a size."""

from __future__ import annotations

from typing import Any

from metannvis_translate.frameworks.torch.exporter.free_sizes import FreeSize
from metannvis_translate.frameworks.torch.exporter.stop_gradient import torch_function_disabled
from metannvis_translate.frameworks.torch.exporter.traced_calls import ModelChangedError, TraceError

__all__ = ["size_requests"]


def size_requests(recording: Any) -> Any:
    """Inside, a model that asks for a size is given one that stands for all: what ``recording.free`` says of a tensor."""
    import torch
    from torch.overrides import TorchFunctionMode

    shape = torch.Tensor.shape.__get__
    asked = {shape: None, torch.Tensor.size: None, torch.Tensor.__len__: 0, torch.ops.aten.sym_size.int: None}
    assigned = torch.Tensor.data.__set__
    counts = (torch.Tensor.numel, torch.Tensor.nelement, torch.numel)

    class Sizes(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in asked:
                with torch_function_disabled():
                    plain = tuple(shape(args[0]))
                axis = kwargs.get("dim", (args[1:] or (asked[func],))[0])
                sizes = recording.free(args[0], plain)
                return torch.Size(sizes) if axis is None else sizes[axis]
            if func in counts:
                with torch_function_disabled():
                    plain = tuple(shape(args[0]))
                count: Any = 1
                for size in recording.free(args[0], plain):
                    count = count * size
                return count
            if func == assigned:
                raise ModelChangedError("forward puts other elements into a tensor by its .data")
            return func(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})

    return Sizes()


def _plain(item: Any) -> Any:
    """An argument as PyTorch is to see it: a size is that of the run."""
    import torch

    if isinstance(item, torch.SymInt) and isinstance(item.node, FreeSize):
        return item.node.now()
    if isinstance(item, (torch.SymFloat, torch.SymBool)):
        raise TraceError("a number that depends on the batch size goes into an operator")
    if type(item) in (tuple, list, torch.Size):
        parts = [_plain(entry) for entry in item]
        return parts if any(a is not b for a, b in zip(parts, item, strict=True)) else item
    if isinstance(item, slice):
        return slice(_plain(item.start), _plain(item.stop), _plain(item.step))
    return item
