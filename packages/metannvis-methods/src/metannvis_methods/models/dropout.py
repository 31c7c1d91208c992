"""Dropout: where a model drops at random, and masks that it drops by instead.

A mask is one thinned network: it is the same for every row that passes through the model, and stays until the next one is
drawn. So inputs and baselines, steps and copies meet the same network, and the number of rows in a pass changes nothing. Masks
are drawn in NumPy, in the layout of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["DropoutMask", "DropoutMasks", "DropoutSite", "SiteCall", "sites_of"]

Array = np.ndarray[Any, Any]
#: What takes the place of a dropped number of self-normalising networks: minus the scale times the alpha of SELU.
ALPHA = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


@dataclass(frozen=True)
class SiteCall:
    """One call of a dropout in one pass, as it was seen.

    Attributes
    ----------
    name
        Of the layer, or of the function.
    kind
        ``"inverted"``: zero, or divided by the share that is kept; ``"alpha"``: for self-normalising networks (Klambauer et
        al., 2017, arXiv:1706.02515); ``"gaussian"``: times 1 + N(0, rate / (1 − rate)).
    rate
        Share that is dropped.
    shape
        Of what went in.
    together
        Axes along which everything shares one random number, as the places of a channel do.
    inside
        Whether it is inside the layer, as that of attention weights is, and not of what a layer returns.
    """

    name: str
    kind: str
    rate: float
    shape: tuple[int, ...]
    together: tuple[int, ...] = ()
    inside: bool = False


@dataclass(frozen=True)
class DropoutSite:
    """One call of a dropout, with the axis that counts samples.

    Attributes
    ----------
    call
        As it was seen with one sample.
    batch_axis
        Which axis grows with the samples. One sample may be several rows of it, as windows of an image are.
    """

    call: SiteCall
    batch_axis: int

    @property
    def name(self) -> str:
        """Name of the layer or function."""
        return self.call.name

    def draw(self, generator: np.random.Generator) -> DropoutMask:
        """A mask for one sample, which serves them all."""
        call = self.call
        shape = tuple(1 if axis in call.together else size for axis, size in enumerate(call.shape))
        keep = 1.0 - call.rate
        if call.kind == "gaussian":
            return DropoutMask(1.0 + np.sqrt(call.rate / keep) * generator.standard_normal(shape), None, self)
        kept = (generator.random(shape) >= call.rate).astype(np.float64)
        if call.kind == "inverted":
            return DropoutMask(kept / keep if keep else np.zeros(shape), None, self)
        scale = (keep * (1 + call.rate * ALPHA**2)) ** -0.5 if keep else 0.0
        return DropoutMask(scale * kept, scale * ALPHA * (1 - kept) - scale * ALPHA * call.rate, self)


@dataclass(frozen=True)
class DropoutMask:
    """What a dropout does to a tensor: times a scale, plus a shift; float64, of one sample, of size 1 along axes that share."""

    scale: Array
    shift: Array | None
    site: DropoutSite

    def transposed(self, order: Sequence[int]) -> DropoutMask:
        """For a tensor whose axis ``k`` is axis ``order[k]`` here."""
        call = self.site.call
        lying = SiteCall(call.name, call.kind, call.rate, tuple(call.shape[k] for k in order))
        shift = None if self.shift is None else self.shift.transpose(order)
        return DropoutMask(
            self.scale.transpose(order), shift, DropoutSite(lying, list(order).index(self.site.batch_axis))
        )

    def repeats(self, shape: Sequence[int | None]) -> tuple[int | None, ...] | None:
        """How often the arrays stand along each axis of a tensor; ``None`` if they are the same for all its rows as they are.

        Raises
        ------
        InvalidArgumentError
            They are for tensors of another shape.
        """
        axis, own = self.site.batch_axis, self.site.call.shape
        others = [(size, known) for k, (size, known) in enumerate(zip(shape, own, strict=False)) if k != axis]
        fits = len(shape) == len(own) and all(size in (None, known) for size, known in others)
        rows = shape[axis] if fits else None
        if not fits or (rows is not None and rows % own[axis]):
            raise InvalidArgumentError(
                f"the mask of {self.site.name!r} was drawn for shape {own}, and it is given {tuple(shape)}: all inputs, "
                "baselines and steps have to have one shape"
            )
        if self.scale.shape[axis] == 1:
            return None
        return tuple((None if rows is None else rows // own[axis]) if k == axis else 1 for k in range(len(own)))


class DropoutMasks:
    """Masks that are in force, by the names of the layers; which one a call gets is the same in every pass."""

    def __init__(self, sites: Sequence[DropoutSite]) -> None:
        self.sites = tuple(sites)
        self._masks: Mapping[str, list[DropoutMask]] = {}
        self._calls: Counter[str] = Counter()
        #: How often each layer was given a mask.
        self.applied: Counter[str] = Counter()

    def draw(self, generator: np.random.Generator) -> None:
        """New masks, for every site one."""
        masks: dict[str, list[DropoutMask]] = {}
        for site in self.sites:
            masks.setdefault(site.name, []).append(site.draw(generator))
        self._masks = masks
        self.begin_pass()

    def begin_pass(self) -> None:
        """The next call of each layer is its first."""
        self._calls.clear()

    def of(self, name: str) -> list[DropoutMask]:
        """Masks of all calls of a layer in a pass."""
        return self._masks.get(name, [])

    def next(self, name: str) -> DropoutMask | None:
        """The mask of a layer's next call; ``None`` if it has none."""
        masks = self.of(name)
        if not masks:
            return None
        place = self._calls[name] % len(masks)
        self._calls[name] += 1
        self.applied[name] += 1
        return masks[place]


def sites_of(one: Sequence[SiteCall], two: Sequence[SiteCall]) -> tuple[DropoutSite, ...]:
    """Sites by the calls that were seen with one sample and with two.

    Raises
    ------
    InvalidArgumentError
        It cannot be told which axis counts samples.
    """
    if [call.name for call in one] != [call.name for call in two]:
        raise InvalidArgumentError("the model drops elsewhere for two samples than for one, so masks cannot be shared")
    found = []
    for call, twice in zip(one, two, strict=True):
        grown = [k for k, (a, b) in enumerate(zip(call.shape, twice.shape, strict=False)) if a != b]
        if len(grown) != 1 or len(call.shape) != len(twice.shape) or twice.shape[grown[0]] != 2 * call.shape[grown[0]]:
            raise InvalidArgumentError(
                f"{call.name!r} drops of shape {call.shape} for one sample and of {twice.shape} for two: no axis counts "
                "samples, so masks cannot be shared"
            )
        found.append(DropoutSite(call, grown[0]))
    return tuple(found)
