"""Tensors as they were: what is in them, which memory they lie in, and which gradients they have and require."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metannvis_translate.frameworks.torch.changing_parameters import any_changing, is_changing
from metannvis_translate.frameworks.torch.kept_state import Kept
from metannvis_translate.frameworks.torch.tensor_copies import Copies, all_plain, is_plain

if TYPE_CHECKING:
    import torch

__all__ = ["KeptTensors"]

_GRADIENT, _REQUIRES = operator.attrgetter("grad"), operator.attrgetter("requires_grad")


class KeptTensors:
    """What is in the tensors of a model; a network has hundreds, so that nothing is made for one which a list of all can hold.

    Parameters
    ----------
    tensors
        Each once.
    values
        Keep what is in them; without, only which there are.
    parameters
        Copy the parameters as well: of others than those that are known to change only the memory is kept, which another tensor
        assigned to ``.data`` leaves.
    gradients
        Keep which parameters have and require a gradient; without, how often each tensor was written to.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], *, values: bool, parameters: bool, gradients: bool) -> None:
        import torch

        self._tensors = tensors
        by_kind = [(tensor, type(tensor)) for tensor in tensors]
        own = torch.nn.Parameter
        is_parameter = [
            kind is own or (kind is not torch.Tensor and isinstance(tensor, own)) for tensor, kind in by_kind
        ]
        copied: list[torch.Tensor] = []
        self._left: list[torch.Tensor] = []
        if values:
            plain = [True] * len(tensors) if all_plain(tensors) else list(map(is_plain, tensors))
            some = any_changing()
            for tensor, parameter, looked_at in zip(tensors, is_parameter, plain, strict=True):
                if looked_at:
                    stays = parameter and not parameters and not (some and is_changing(tensor))
                    (self._left if stays else copied).append(tensor)
        self._memories = [tensor.detach() for tensor in self._left]
        self._places = list(map(torch.Tensor.data_ptr, self._left))
        self._parameters = (
            [tensor for tensor, parameter in zip(tensors, is_parameter, strict=True) if parameter] if gradients else []
        )
        self._required, self._gradients = list(map(_REQUIRES, self._parameters)), list(map(_GRADIENT, self._parameters))
        self._versions = [] if gradients else [None if x.is_inference() else x._version for x in tensors]
        self._copies = Copies(copied)

    def kept(self) -> list[Kept]:
        """Each as a value that others can be compared with."""
        memories = dict(zip(map(id, self._left), self._memories, strict=True))
        found = []
        for tensor, version in zip(self._tensors, self._versions, strict=True):
            kept = Kept("tensor", tensor)
            kept.copy, kept.memory, kept.version = self._copies.of(tensor), memories.get(id(tensor)), version
            found.append(kept)
        return found

    def put_back(self) -> None:
        """Put back what was in them, and the gradients of parameters."""
        import torch

        if self._places != list(map(torch.Tensor.data_ptr, self._left)):
            for tensor, memory in zip(self._left, self._memories, strict=True):
                if tensor.data_ptr() != memory.data_ptr():
                    tensor.data = memory  # another tensor was assigned to its ``.data``
        if self._required != list(map(_REQUIRES, self._parameters)):
            for parameter, required in zip(self._parameters, self._required, strict=True):
                parameter.requires_grad_(required)
        if not all(map(operator.is_, self._gradients, map(_GRADIENT, self._parameters))):
            for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
                parameter.grad = gradient
        self._copies.put_back()
