"""Names in PyTorch models: of their modules, and of what ``forward`` takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from metannvis_translate.frameworks.torch import walk

__all__ = ["NamedModules", "parameters_of"]

#: Parameters of what was seen as ``forward``, by the function; to look at a signature takes longer than a small layer.
_forwards: WeakKeyDictionary[Any, Mapping[str, inspect.Parameter]] = WeakKeyDictionary()


class NamedModules(Mapping[str, Any]):
    """Modules by their dotted names, which are looked up when one is asked for: most methods ask for none."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    @functools.cached_property
    def _modules(self) -> dict[str, torch.nn.Module]:
        return {name: module for name, module in walk(self._model) if name}

    def __getitem__(self, name: str) -> torch.nn.Module:
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def parameters_of(forward: Any) -> Mapping[str, inspect.Parameter]:
    """Parameters of a model's ``forward``, ``self`` left out."""
    function = getattr(forward, "__func__", None)
    if not inspect.isfunction(function):
        return inspect.signature(forward).parameters
    if function not in _forwards:
        _forwards[function] = inspect.signature(forward).parameters
    return _forwards[function]
