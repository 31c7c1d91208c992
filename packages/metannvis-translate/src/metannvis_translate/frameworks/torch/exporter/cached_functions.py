"""Functions of a model that keep what they returned (``functools.lru_cache``).

What an exporter runs them on are tensors of its own, which hold no numbers: kept, they would be what the caller's model
computes with from then on. They keep real ones once the model has run.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["keeps_results"]

#: Depth to which wrappers of functions are looked into.
DEPTH = 4


def keeps_results(model: torch.nn.Module) -> bool:
    """Whether a method of a module's class, or a function that one calls by name, keeps results."""
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    return any(
        _keeps(function)
        for kind in kinds
        if not kind.__module__.startswith(("torch.nn.", "builtins"))
        for method in vars(kind).values()
        for function in (method, *_called(method))
    )


def _keeps(function: Any, depth: int = DEPTH) -> bool:
    function = getattr(function, "__func__", function)
    if hasattr(function, "cache_info"):
        return True
    if not isinstance(function, FunctionType) or depth == 0:
        return False
    inside = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    return any(_keeps(value, depth - 1) for value in inside if callable(value))


def _called(method: Any) -> Iterator[Any]:
    """Functions of the module that a method is written in, by the names in it."""
    method = getattr(method, "__func__", method)
    if isinstance(method, FunctionType):
        known = method.__globals__
        yield from (known[name] for name in method.__code__.co_names if callable(known.get(name)))


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
