"""Devices of PyTorch modules, and half precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

__all__ = ["HalfPrecision", "available", "current", "moved"]

_current: ContextVar[str | None] = ContextVar("current", default=None)


def available() -> tuple[str, ...]:
    """Names of the devices of this machine."""
    found = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        found.extend(f"xpu:{k}" for k in range(torch.xpu.device_count()))
    return tuple(found)


def current() -> str | None:
    """The device that models are on by a caller's wish; ``None``: each where it is."""
    return _current.get()


@contextmanager
def moved(module: torch.nn.Module, device: str) -> Iterator[None]:
    """A module's tensors on a device within: parameters, buffers, and tensors that are plain attributes.

    Afterwards each is the very tensor that it was: nothing is copied back, and an optimizer, or another module that shares
    it, finds it as it left it.
    """
    parameters = [(parameter, parameter.data) for parameter in module.parameters()]
    kept: list[tuple[dict[str, Any], str, torch.Tensor]] = []
    for part in module.modules():
        kept.extend((part._buffers, name, buffer) for name, buffer in part._buffers.items() if buffer is not None)
        own = vars(part).items()
        kept.extend((vars(part), name, value) for name, value in own if isinstance(value, torch.Tensor))
    token = _current.set(device)
    there: dict[int, torch.Tensor] = {}  # one that stands in two places stays one
    try:
        for parameter, data in parameters:
            parameter.data = _sent(data, device)
        for place, name, tensor in kept:
            place[name] = there.setdefault(id(tensor), _sent(tensor.detach(), device))
        for part in module.modules():
            if isinstance(part, torch.nn.RNNBase):
                part.flatten_parameters()
        yield
    finally:
        _current.reset(token)
        for parameter, data in parameters:
            parameter.data = data
        for place, name, tensor in kept:
            place[name] = tensor


def _sent(tensor: torch.Tensor, device: str) -> torch.Tensor:
    return tensor.to(device)


class HalfPrecision:
    """Half precision for passes through a module, as PyTorch's ``autocast`` has it.

    Parameters
    ----------
    name
        ``"float16"`` or ``"bfloat16"``; ``"auto"`` is the second, whose numbers are as large and as small as float32's, unless
        the device has the first alone.
    kind
        Kind of the device.
    """

    def __init__(self, name: str, kind: str) -> None:
        coarse = kind != "cuda" or torch.cuda.is_bf16_supported()
        self.kind, self.name = kind, ("bfloat16" if coarse else "float16") if name == "auto" else name
        self._broken: list[torch.Tensor] = []

    def on(self) -> Any:
        """Within, what a module computes is in half precision where PyTorch has that for the operation."""
        return torch.autocast(self.kind, dtype=getattr(torch, self.name))

    def looked(self, tensor: torch.Tensor) -> torch.Tensor:
        """What came out of a pass, in single precision."""
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        found = ~torch.isfinite(tensor.detach()).all()
        self._broken = [self._broken[0] | found if self._broken else found]  # read once, at the end: a device runs on
        return tensor

    @property
    def broken(self) -> bool:
        """Whether a number was not finite."""
        return bool(self._broken) and bool(self._broken[0])
