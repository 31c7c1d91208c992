"""Calls that are put in other words while a model is traced, for PyTorch's exporters stumble over the user's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from metannvis_translate.export.torch_stops import name_of

__all__ = ["reworded"]

#: Calls whose bounds are numbers: one integer and one float (``clamp(-1, 0.5)``) are refused as of different types.
BOUNDED = {"clamp", "clamp_", "clip", "clip_", "hardtanh", "hardtanh_"}


@contextlib.contextmanager
def reworded() -> Iterator[None]:
    """Inside, the calls come in the exporters' words."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Reworded(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            bounded = name_of(func) in BOUNDED and args and isinstance(args[0], torch.Tensor)
            if bounded and args[0].is_floating_point():
                args = tuple(map(_as_float, args))
                kwargs = {name: _as_float(value) for name, value in kwargs.items()}
            return func(*args, **kwargs)

    with Reworded():
        yield


def _as_float(value: Any) -> Any:
    return float(value) if type(value) is int else value
