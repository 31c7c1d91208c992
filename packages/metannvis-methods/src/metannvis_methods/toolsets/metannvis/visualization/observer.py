"""Observers: a pass through a network, and what its layers and its output have shown. Imported after PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.final_activation import FinalActivation
from metannvis_methods.models.structures import leaves
from metannvis_methods.registry.option_words import FoundLayer

__all__ = ["Observer", "Seen"]


class Seen:
    """What a pass has shown.

    Attributes
    ----------
    rows
        Which of all images passed, shape ``(N,)``.
    """

    def __init__(
        self,
        output: torch.Tensor | None,
        before: torch.Tensor | None,
        returned: dict[int, torch.Tensor],
        rows: torch.Tensor,
    ) -> None:
        self._output, self._before, self._returned, self.rows = output, before, returned, rows

    def at(self, place: int) -> Seen:
        """The same for one image."""
        one = slice(place, place + 1)
        return Seen(
            None if self._output is None else self._output[one],
            None if self._before is None else self._before[one],
            {key: tensor[one] for key, tensor in self._returned.items()},
            self.rows[one],
        )

    @property
    def output(self) -> torch.Tensor:
        """What the model returned, shape ``(N, …)``."""
        assert self._output is not None
        return self._output

    @property
    def logits(self) -> torch.Tensor:
        """What went into the softmax or sigmoid that the model ends in, else the output."""
        return self.output if self._before is None else self._before

    @property
    def log_probabilities(self) -> torch.Tensor:
        """Over classes on axis 1; of a model that ends in a sigmoid, or has a single output, of each number by itself."""
        return torch.nn.functional.logsigmoid(self.logits) if self._each_by_itself else self.logits.log_softmax(1)

    @property
    def _each_by_itself(self) -> bool:
        """Whether each number is a probability of its own."""
        single = self.logits.flatten(1).shape[1] == 1
        return single or (self._before is not None and torch.allclose(self.output, self.logits.sigmoid(), atol=1e-6))

    def log_odds(self, target: Any) -> torch.Tensor:
        """Of a class against all others, log p − log(1 − p), shape ``(N,)``."""
        place = (slice(None), *(target if isinstance(target, tuple) else (target,)))
        if self._each_by_itself:
            return self.logits[place]
        others = self.logits.clone()
        others[place] = -torch.inf
        return self.logits[place] - others.logsumexp(1)[(slice(None), *place[2:])]

    def probability(self, target: Any) -> torch.Tensor:
        """Of a class, shape ``(N,)``."""
        place = target if isinstance(target, tuple) else (target,)
        probabilities = self.log_probabilities.exp()
        return probabilities[(slice(None), *place)]

    def raw(self, layer: FoundLayer) -> torch.Tensor:
        """What a layer returned."""
        return self._returned[id(layer.layer)]

    def maps(self, layer: FoundLayer) -> torch.Tensor:
        """What a layer returned, shape ``(N, C, places)``."""
        return (
            self.raw(layer).movedim(self._axis(layer), 1).flatten(2)
            if self.raw(layer).ndim > 2
            else self.raw(layer)[..., None]
        )

    def channel(self, layer: FoundLayer, channel: int) -> torch.Tensor:
        """One of its channels, shape ``(N, places…)``."""
        tensor, axis = self.raw(layer), self._axis(layer)
        if not -tensor.shape[axis] <= channel < tensor.shape[axis]:
            raise InvalidArgumentError(
                f"{layer.name} has the channels 0 to {tensor.shape[axis] - 1}, and no channel {channel}"
            )
        return tensor.select(axis, channel)

    def place(self, layer: FoundLayer, position: tuple[int, ...]) -> torch.Tensor:
        """One of its numbers, shape ``(N,)``."""
        tensor = self.raw(layer)
        sizes = tuple(tensor.shape[1:])
        if len(position) != len(sizes) or not all(-n <= k < n for k, n in zip(position, sizes, strict=True)):
            raise InvalidArgumentError(f"neuron {position} is none of {layer.name}, which returns {sizes} for an image")
        return tensor[(slice(None), *position)]

    def _axis(self, layer: FoundLayer) -> int:
        """Axis of the channels, or of the features of tokens."""
        rank = self.raw(layer).ndim
        letters = layer.axes if len(layer.axes) == rank else ""
        for letter in "CF":
            if letter in letters:
                return letters.index(letter)
        return 2 if rank == 3 else 1


class _ReachedError(Exception):
    """All layers that are looked at have returned, and the output is of no interest."""


class Observer:
    """Passes images through a model; ends a pass at the last layer that is looked at where the output is not.

    Parameters
    ----------
    model
        What is called.
    layers
        That are looked at.
    needs_output
        Whether the model's output is.
    extra
        Further inputs of the model; those with a row an image are cut to the images of a pass.
    count
        Number of images.
    """

    def __init__(
        self, model: Any, layers: Sequence[FoundLayer], *, needs_output: bool, extra: Sequence[Any] = (), count: int = 0
    ) -> None:
        self.model, self.needs_output, self.extra, self.count = model, needs_output, tuple(extra), count
        self.layers = list({id(found.layer): found for found in layers}.values())
        inside = {id(module) for module in model.modules()}
        for found in self.layers:
            if id(found.layer) not in inside:
                raise InvalidArgumentError(
                    f"{found.name} cannot be looked at together with the other layers of the objective: take one of them"
                )
        #: Whether the model ends in a softmax or sigmoid; known after the first pass.
        self.ends_in_probabilities: bool | None = None

    def __call__(self, images: torch.Tensor, rows: torch.Tensor) -> Seen:
        """A pass of the images that are ``rows`` of all."""
        returned: dict[int, torch.Tensor] = {}

        def keep(layer: Any, given: Any, output: Any) -> None:
            tensor = next((item for _, item in leaves(output, torch.is_tensor)), None)
            if tensor is None:
                return
            returned.setdefault(id(layer), tensor)
            if not self.needs_output and len(returned) == len(self.layers):
                raise _ReachedError

        extra = [x[rows] if torch.is_tensor(x) and x.ndim and len(x) == self.count else x for x in self.extra]
        output = before = None
        watches = self.needs_output and self.ends_in_probabilities is not False
        with ExitStack() as stack:
            for found in self.layers:
                stack.callback(found.layer.register_forward_hook(keep).remove)
            final = stack.enter_context(FinalActivation() if watches else nullcontext())
            try:
                result = self.model(images, *extra)
                output = next(tensor for _, tensor in leaves(result, torch.is_tensor))
            except _ReachedError:
                pass
        if watches and output is not None and final is not None:
            before = final.before(output)
            self.ends_in_probabilities = before is not None
        missing = [found.name for found in self.layers if id(found.layer) not in returned]
        if missing:
            raise InvalidArgumentError(f"{' and '.join(missing)} did not run, or returned no tensor")
        return Seen(output, before, returned, rows)
