"""Leading operations of PyTorch modules: what becomes of an input before the first convolution or matrix product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import Array

__all__ = ["leading_values"]

#: Operations that end what leads: they mix places or channels by weights.
ENDS = ("convolution", "_convolution", "mm", "addmm", "bmm", "baddbmm", "mv", "dot", "linear", "embedding")
#: Operations that are looked at, at most.
MOST = 40


class _Reached(BaseException):  # no error: it must pass whatever a model catches
    """The end of what leads."""


class _Leading(TorchDispatchMode):
    """Values that operations make of a tensor, in the order in which they run."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.known: dict[int, torch.Tensor] = {id(start): start}  # kept, so that no other tensor gets the same identity
        self.steps: list[tuple[Array, Array | None]] = []
        self.ended = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and id(x) in self.known]
        if not given:
            return func(*args, **(kwargs or {}))
        before = _copy(given[0])
        if func.overloadpacket.__name__ in ENDS or len(self.steps) == MOST:
            self.steps.append((before, None))
            self.ended = True
            raise _Reached
        result = func(*args, **(kwargs or {}))
        made = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        self.known.update((id(x), x) for x in made)
        if made:
            self.steps.append((before, _copy(made[0])))
        return result


def leading_values(module: Any, inputs: Sequence[torch.Tensor], place: int) -> list[tuple[Array, Array | None]]:
    """What goes into and comes out of each operation on an input; the model is guarded."""
    seen = _Leading(inputs[place])
    try:
        with torch.no_grad(), seen:
            module(*inputs)
    except BaseException:  # TorchScript makes an error of its own of it
        if not seen.ended:
            raise
    return seen.steps


def _copy(tensor: torch.Tensor) -> Array:
    """As it is now: it may be written to."""
    with torch.utils._python_dispatch._disable_current_modes():
        return to_numpy(tensor.detach().clone())
