"""What the layers of a PyTorch model returned, as it was when they returned it, while the TorchScript exporter traces it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.exporter.stop_gradient import torch_function_disabled
from metannvis_translate.frameworks.torch.hooks import tensors_in

if TYPE_CHECKING:
    import torch

__all__ = ["OutputSnapshots"]


class OutputSnapshots:
    """Tensors, each kept as it is now.

    An operation in place further on must not change what a layer returned. Copies of everything would take a good part of a
    trace's time, so a tensor is copied only when an operation in place is about to change it: :meth:`before` sees most of
    those beforehand, and :attr:`is_changed` says afterwards whether it missed one, for PyTorch counts them.

    Parameters
    ----------
    given
        Tensors that are no result of an operation (inputs, weights); one of them is always copied.
    always
        Copy every tensor.
    """

    def __init__(self, given: Iterable[torch.Tensor], *, always: bool) -> None:
        self.given = {id(tensor) for tensor in given}
        self.always = always
        self.tensors: list[torch.Tensor] = []
        self._versions: dict[int, int] = {}
        self._in_storage: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, tensor: torch.Tensor) -> None:
        with torch_function_disabled():
            uncounted = tensor.is_inference()  # nobody counts the changes of such a tensor
        if self.always or uncounted or id(tensor) in self.given:
            self.tensors.append(tensor.clone())
            return
        with torch_function_disabled():
            place = len(self.tensors)
            self._versions[place] = tensor._version
            self._in_storage[tensor.untyped_storage().data_ptr()].append(place)
            self.tensors.append(tensor)

    @property
    def is_changed(self) -> bool:
        """Whether a tensor is not what it was."""
        with torch_function_disabled():
            return any(self.tensors[place]._version != version for place, version in self._versions.items())

    def before(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Copy what a call is about to change; the call itself stays as it is (a :data:`~.torch_calls.Handler`)."""
        if self._in_storage and _may_change(name, args, kwargs):
            self._copy(tensors_in((args, kwargs)))
        return args, kwargs

    def _copy(self, changing: Iterable[torch.Tensor]) -> None:
        with torch_function_disabled():
            storages = {tensor.untyped_storage().data_ptr() for tensor in changing}
        for storage in storages & self._in_storage.keys():
            copies: dict[int, torch.Tensor] = {}
            for place in self._in_storage.pop(storage):
                tensor = self.tensors[place]
                if id(tensor) not in copies:
                    copies[id(tensor)] = tensor.clone()
                self.tensors[place] = copies[id(tensor)]
                del self._versions[place]


def _may_change(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call may change what it is given: ``add_``, ``__iadd__``, ``x[0] = 1``, ``relu(x, inplace=True)``, ``out=``."""
    is_dunder = name.startswith("__") and name.endswith("__")
    in_place = name in _DUNDERS if is_dunder else name.endswith("_")
    return in_place or any(arg is True for arg in args) or bool(kwargs.get("inplace")) or "out" in kwargs


_DUNDERS = {"__setitem__"} | {
    f"__i{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
        "matmul",
    )
}
