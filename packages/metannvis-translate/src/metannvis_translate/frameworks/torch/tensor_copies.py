"""Tensor copies: what is in tensors, to be compared and put back; small ones lie side by side and are compared at once."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Copies", "all_plain", "equal", "is_plain"]

#: Elements up to which a tensor is small.
SMALL = 1 << 12
_DEVICE, _DTYPE, _IS_META, _IS_QUANTIZED, _LAYOUT, _SHAPE = map(
    operator.attrgetter, ("device", "dtype", "is_meta", "is_quantized", "layout", "shape")
)


class Copies:
    """Copies of tensors.

    A network has hundreds of statistics of a few numbers each: a call for each of them would take longer than what is in them.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        import torch

        self._alone: list[torch.Tensor] = []
        together: dict[Any, list[torch.Tensor]] = {}
        for tensor in tensors:
            if tensor.ndim < 2 and tensor.numel() <= SMALL:
                together.setdefault((tensor.ndim, tensor.dtype, tensor.device), []).append(tensor)
            else:
                self._alone.append(tensor)
        self._blocks: list[tuple[list[torch.Tensor], list[Any], torch.Tensor]] = []
        with torch.no_grad():
            for (rank, *_), several in together.items():
                self._blocks.append((several, list(map(_SHAPE, several)), _joined(several, rank)))
            self._alone_copies = [tensor.detach().clone() for tensor in self._alone]

    @functools.cached_property
    def _copies(self) -> dict[int, torch.Tensor]:
        """By the identity of the tensor; hardly ever has one to be looked up."""
        found = dict(zip(map(id, self._alone), self._alone_copies, strict=True))
        for several, shapes, block in self._blocks:
            pieces = block.split([shape[0] for shape in shapes]) if len(shapes[0]) else block.unbind()
            found.update(zip(map(id, several), pieces, strict=True))
        return found

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The copy of a tensor, ``None`` if there is none."""
        return self._copies.get(id(tensor))

    def put_back(self) -> None:
        """Put back what is in the tensors that were changed."""
        import torch

        with torch.no_grad():
            for several, shapes, block in self._blocks:
                if not _as_they_were(several, shapes, block):
                    self._each(several)
            self._each(self._alone)

    def _each(self, tensors: Iterable[torch.Tensor]) -> None:
        import torch

        for tensor in tensors:
            before = self._copies[id(tensor)]
            if not is_plain(tensor):
                continue
            with torch.inference_mode(tensor.is_inference()), torch.no_grad():  # the first turns gradients on
                if tensor.shape != before.shape or tensor.dtype != before.dtype:
                    tensor.data = before.clone()
                elif not equal(before, tensor.detach()):
                    tensor.copy_(before)


def _joined(tensors: Sequence[torch.Tensor], rank: int) -> torch.Tensor:
    import torch

    return torch.cat(list(tensors)) if rank else torch.stack(list(tensors))


def _as_they_were(tensors: Sequence[torch.Tensor], shapes: Sequence[Any], block: torch.Tensor) -> bool:
    """Whether nothing has changed; also where that cannot be told at once, each is looked at."""
    import torch

    if shapes != list(map(_SHAPE, tensors)) or not all_plain(tensors):
        return False
    if set(map(_DTYPE, tensors)) != {block.dtype} or set(map(_DEVICE, tensors)) != {block.device}:
        return False
    return torch.equal(_joined(tensors, len(shapes[0])), block)


@functools.cache
def _plain_classes() -> frozenset[Any]:
    import torch

    return frozenset((torch.Tensor, torch.nn.Parameter, torch.nn.Buffer))


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether it has elements that can be looked at: no lazy parameter, nothing on ``meta``, no tensor of a trace."""
    import torch

    return (
        type(tensor) in _plain_classes()
        and tensor.layout is torch.strided
        and not tensor.is_meta
        and not tensor.is_quantized
    )


def all_plain(tensors: Sequence[torch.Tensor]) -> bool:
    """Whether all of them are; of many in a fraction of the time."""
    import torch

    return (
        _plain_classes().issuperset(map(type, tensors))
        and set(map(_LAYOUT, tensors)) <= {torch.strided}
        and not any(map(_IS_META, tensors))
        and not any(map(_IS_QUANTIZED, tensors))
    )


def equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are the same, numbers that are none included."""
    import torch

    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if torch.equal(a, b):
        return True
    return a.is_floating_point() and bool(torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all())
