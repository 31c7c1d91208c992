"""Parameters that ``forward`` changes: which are known to be, and have to be put back with the rest of a model's state."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["any_changing", "changing", "is_changing", "is_small", "mark_changing"]

#: Bytes of parameters up to which copies of them cost next to nothing.
SMALL = 1 << 24


@functools.cache
def _changing() -> Any:
    """Parameters that ``forward`` was seen to change."""
    from torch.utils.weak import WeakIdKeyDictionary

    return WeakIdKeyDictionary()


def any_changing() -> bool:
    """Whether a parameter of any model was marked so."""
    return bool(_changing())


def is_changing(parameter: torch.Tensor) -> bool:
    """Whether a parameter was marked so."""
    return parameter in _changing()


def mark_changing(model: torch.nn.Module, names: Iterable[str]) -> None:
    """Say of parameters that ``forward`` changes them: from now on they are put back with the rest of a model's state."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in names:
        if name in parameters:
            _changing()[parameters[name]] = True


def is_small(model: torch.nn.Module) -> bool:
    """Whether copies of all parameters are cheap. Those that are brought to a norm by ``forward`` are marked on the way."""
    import torch

    normed = [
        f"{path}.weight" if path else "weight"
        for path, module in model.named_modules()
        if getattr(module, "max_norm", None) is not None
    ]
    mark_changing(model, normed)
    sizes = [p.numel() * p.element_size() for p in model.parameters() if not torch.nn.parameter.is_lazy(p)]
    return sum(sizes) <= SMALL


def changing(model: torch.nn.Module) -> list[str]:
    """Names of a model's parameters that were marked so."""
    return [name for name, parameter in model.named_parameters(remove_duplicate=False) if is_changing(parameter)]
