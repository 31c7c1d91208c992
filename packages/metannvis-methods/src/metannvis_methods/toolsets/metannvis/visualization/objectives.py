"""Objectives: what of a network an image is to make large. Importing this loads no framework.

Objectives are added, subtracted and multiplied by numbers: ``Channel("conv3", 5) - 0.5 * Channel("conv3", 7)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.option_values import Values, one_or_several, whole
from metannvis_methods.registry.option_words import FoundLayer
from metannvis_methods.toolsets.metannvis.visualization.fields import CHANNEL, CheckedFields, Takes, or_none

if TYPE_CHECKING:
    import torch

    from metannvis_methods.toolsets.metannvis.visualization.observer import Seen

__all__ = [
    "Channel",
    "Direction",
    "Diversity",
    "Energy",
    "Layer",
    "LogProbability",
    "Logit",
    "Match",
    "Neuron",
    "Objective",
    "Output",
    "Weighted",
]

#: A class, or a position without the batch.
POSITION = Values("a whole number, or a tuple of them", one_or_several(whole()).fits)
#: Finds a layer of the caller's model by its name.
Find = Callable[[str], FoundLayer]


class Objective(CheckedFields):
    """A number for each image, which the optimiser makes large.

    A subclass has :meth:`value`. ``layer`` is the name of a layer of the caller's model until the call is settled.
    """

    #: Whether it looks at the model's output, so that the model has to run through.
    of_output: bool = False
    #: Whether the number of an image depends on the others.
    couples: bool = False

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``, of what a pass over N images has shown."""
        raise NotImplementedError

    def settled(self, find: Find) -> Objective:
        """The objective with the layers of the model that runs."""
        layer = getattr(self, "layer", None)
        if layer is None or isinstance(layer, FoundLayer):
            return self
        return dataclasses.replace(self, layer=find(layer))  # type: ignore[type-var]  # each that has a layer is one

    def layers(self) -> tuple[FoundLayer, ...]:
        """Layers that are looked at, once the call is settled."""
        layer = getattr(self, "layer", None)
        return () if layer is None else (layer,)

    def parts(self) -> Iterator[Objective]:
        """It itself, or those that it is a sum of."""
        yield self

    @property
    def class_(self) -> Any:
        """The class whose probability may end a run; ``None`` if it is of none."""
        return None

    def __add__(self, other: Objective) -> Weighted:
        return Weighted((*_terms(self), *_terms(other)))

    def __sub__(self, other: Objective) -> Weighted:
        return self + (-other)

    def __mul__(self, factor: float) -> Weighted:
        return Weighted(tuple((factor * weight, part) for weight, part in _terms(self)))

    __rmul__ = __mul__

    def __neg__(self) -> Weighted:
        return self * -1.0


def _terms(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    if not isinstance(objective, Objective):
        raise InvalidArgumentError(f"an objective is added to another one, not to {objective!r}")
    return objective.terms if isinstance(objective, Weighted) else ((1.0, objective),)


@dataclass(frozen=True)
class Weighted(Objective):
    """A weighted sum of objectives; ``+``, ``-`` and ``*`` make one."""

    terms: tuple[tuple[float, Objective], ...]

    @property
    def of_output(self) -> bool:  # type: ignore[override]
        """Whether a part is."""
        return any(part.of_output for _, part in self.terms)

    @property
    def couples(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.couples for _, part in self.terms)

    @property
    def class_(self) -> Any:
        """Of the first part that is added."""
        return next((part.class_ for weight, part in self.terms if weight > 0 and part.class_ is not None), None)

    def settled(self, find: Find) -> Weighted:
        """With the layers of the model that runs."""
        return Weighted(tuple((weight, part.settled(find)) for weight, part in self.terms))

    def layers(self) -> tuple[FoundLayer, ...]:
        """Of all parts."""
        return tuple(layer for _, part in self.terms for layer in part.layers())

    def parts(self) -> Iterator[Objective]:
        """All of them."""
        for _, part in self.terms:
            yield from part.parts()

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        total: torch.Tensor = sum(weight * part.value(seen) for weight, part in self.terms)
        return total

    def __str__(self) -> str:
        signs = [
            f"{weight:+g} {part}" if abs(weight) != 1 else f"{'+-'[weight < 0]} {part}" for weight, part in self.terms
        ]
        return " ".join(signs).removeprefix("+ ")


@dataclass(frozen=True)
class _OfOutput(Objective):
    """Of a class, or a position without the batch, of the model's output; ``None``: its only number."""

    target: int | tuple[int, ...] | None = None

    takes: ClassVar[Takes] = {"target": or_none(POSITION)}

    of_output = True

    @property
    def class_(self) -> Any:
        return 0 if self.target is None else self.target

    def __str__(self) -> str:
        name = {"LogProbability": "log p", "Logit": "logit", "Output": "output"}[type(self).__name__]
        return name if self.target is None else f"{name} {self.target}"


class Logit(_OfOutput):
    """The score before a softmax or sigmoid that the model ends in, else the output."""

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        return _at(seen.logits, self.target)


class LogProbability(_OfOutput):
    """The logarithm of a class's probability: of a softmax over the logits, or a sigmoid where the model ends in one."""

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        if seen.output.ndim == 1:  # a function of the output, which is no class's
            return seen.output
        return _at(seen.log_probabilities, self.target)


class Output(_OfOutput):
    """The output as the model returns it."""

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        return _at(seen.output, self.target)


@dataclass(frozen=True)
class _AtLayer(Objective):
    """Of a layer, by its name in the caller's model."""

    layer: Any

    @property
    def _name(self) -> str:
        return self.layer.name if isinstance(self.layer, FoundLayer) else str(self.layer)


@dataclass(frozen=True)
class Channel(_AtLayer):
    """Mean of a channel over its places."""

    channel: int = 0

    takes: ClassVar[Takes] = {"channel": CHANNEL}

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        return seen.channel(self.layer, self.channel).flatten(1).mean(1)

    def __str__(self) -> str:
        return f"{self._name}:{self.channel}"


@dataclass(frozen=True)
class Neuron(_AtLayer):
    """One number of a layer.

    ``position`` is in the caller's layout, the batch left out; an int of a layer with places is the channel at its centre.
    """

    position: int | tuple[int, ...] = 0

    takes: ClassVar[Takes] = {"position": POSITION}

    def settled(self, find: Find) -> Neuron:
        """With the layers of the model that runs."""
        found = find(self.layer) if not isinstance(self.layer, FoundLayer) else self.layer
        moved = found.position(self.position) if isinstance(self.position, tuple) else self.position
        return Neuron(found, moved)

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        if isinstance(self.position, tuple):
            return seen.place(self.layer, self.position)
        maps = seen.channel(self.layer, self.position)
        return maps[(slice(None), *(size // 2 for size in maps.shape[1:]))]

    def __str__(self) -> str:
        return f"{self._name}:{self.position}"


def _are_numbers(value: Any) -> bool:
    try:
        array = to_numpy(value)
    except InvalidArgumentError:
        return False
    return array.ndim == 1 and array.size > 0 and bool(np.isfinite(array).all())


@dataclass(frozen=True)
class Direction(_AtLayer):
    """Cosine of what the layer returns and a direction among its channels, mean over places.

    ``vector`` has shape ``(C,)``.
    """

    vector: Any = ()

    takes: ClassVar[Takes] = {"vector": Values("numbers, one a channel", _are_numbers)}

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        maps = seen.maps(self.layer)  # (N, C, places)
        vector = maps.new_tensor(to_numpy(self.vector).astype(np.float64)).reshape(1, -1, 1)
        if vector.shape[1] != maps.shape[1]:
            raise InvalidArgumentError(
                f"a direction in {self._name} has {maps.shape[1]} numbers, one a channel, not {vector.shape[1]}"
            )
        sizes = (maps.square().sum(1) * vector.square().sum()).clamp_min(1e-12).sqrt()
        return ((maps * vector).sum(1) / sizes).mean(1)

    def __str__(self) -> str:
        return f"a direction in {self._name}"


@dataclass(frozen=True)
class Layer(_AtLayer):
    """Mean of what the layer returns."""

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        return seen.maps(self.layer).flatten(1).mean(1)

    def __str__(self) -> str:
        return self._name


@dataclass(frozen=True)
class Energy(_AtLayer):
    """Half the mean square of what the layer returns, or of one of its channels (DeepDream)."""

    channel: int | None = None

    takes: ClassVar[Takes] = {"channel": or_none(CHANNEL)}

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        maps = seen.maps(self.layer) if self.channel is None else seen.channel(self.layer, self.channel)
        return maps.flatten(1).square().mean(1) / 2

    def __str__(self) -> str:
        return f"energy of {self._name}" + ("" if self.channel is None else f":{self.channel}")


@dataclass(frozen=True)
class Diversity(_AtLayer):
    """How unlike images are at a layer: minus the mean cosine of the Gram matrix of each with those of the others."""

    couples = True

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        maps = seen.maps(self.layer)
        if len(maps) < 2:
            raise InvalidArgumentError("diversity is between images: ask for two or more (images=…)")
        grams = (maps @ maps.transpose(1, 2)).flatten(1)
        grams = grams / grams.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()
        cosines = grams @ grams.T
        return -(cosines.sum(1) - cosines.diagonal()) / (len(maps) - 1)

    def __str__(self) -> str:
        return f"diversity at {self._name}"


@dataclass(frozen=True)
class Match(_AtLayer):
    """Minus the squared distance to what the layer returned for other images, as a share of its square (Mahendran, 2015).

    ``reference`` has the shape of what the layer returns.
    """

    reference: Any = None

    def value(self, seen: Seen) -> torch.Tensor:
        """Shape ``(N,)``."""
        maps = seen.raw(self.layer)
        target = self.reference[seen.rows]
        return -(maps - target).flatten(1).square().sum(1) / target.flatten(1).square().sum(1).clamp_min(1e-24)

    def __str__(self) -> str:
        return f"distance at {self._name}"


def _at(values: torch.Tensor, target: Any) -> torch.Tensor:
    """One number a row of an output."""
    if values.ndim == 1:
        return values
    if target is None:
        flat = values.flatten(1)
        if flat.shape[1] != 1:
            raise InvalidArgumentError(f"the output has shape {tuple(values.shape)}: name a class (target=…)")
        return flat[:, 0]
    place = target if isinstance(target, tuple) else (target,)
    sizes = tuple(values.shape[1:])
    if len(place) != len(sizes) or not all(-size <= k < size for k, size in zip(place, sizes, strict=True)):
        raise InvalidArgumentError(f"target {target!r} is none of an output of shape {tuple(values.shape)}")
    return values[(slice(None), *place)]
