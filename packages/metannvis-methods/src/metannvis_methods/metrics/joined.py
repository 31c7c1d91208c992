"""Models with several inputs: the places of those that are explained side by side, and what stands at the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.layout import Layout

__all__ = ["Given", "JoinedLayout"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Given:
    """All inputs of a model, and which of them metrics change.

    Attributes
    ----------
    arrays
        One an input, in the caller's layout, shape ``(N, …)``.
    chosen
        Places of those that are changed; the others are held.
    axes
        One letter an axis of each input; empty: not known.
    """

    arrays: tuple[Array, ...]
    chosen: tuple[int, ...] = (0,)
    axes: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout | JoinedLayout:
        """How those that are changed lie."""
        found = []
        for place in self.chosen:
            array = self.arrays[place]
            axes = self.axes[place] if place < len(self.axes) else ""
            found.append(Layout(axes or "N" + "?" * (array.ndim - 1), array.shape))
        if len(found) == 1:
            return found[0]
        return JoinedLayout(tuple(found), tuple(self.arrays[place].dtype for place in self.chosen))

    def rows(self, changed: Array | Sequence[Array], samples: Array | None = None) -> tuple[Array, ...]:
        """All inputs for other values of those that are changed.

        Parameters
        ----------
        changed
            One an input that is changed, shape ``(R, …)``.
        samples
            Which sample each row is made of, shape ``(R,)``: its values of the inputs that are held. ``None``: all, in order.

        Raises
        ------
        InvalidArgumentError
            Nobody says which samples these are, and there are inputs that are held.
        """
        parts = (changed,) if isinstance(changed, np.ndarray) else tuple(changed)
        if len(self.arrays) == len(parts):
            return parts
        if samples is None:
            if len(parts[0]) != len(self.arrays[0]):
                raise InvalidArgumentError(
                    f"the metric asks for {len(parts[0])} rows of {len(self.arrays[0])} samples, and does not say which values "
                    "of the inputs that are held belong to them"
                )
            samples = np.arange(len(parts[0]))
        new = dict(zip(self.chosen, parts, strict=True))
        return tuple(new[place] if place in new else array[samples] for place, array in enumerate(self.arrays))


@dataclass(frozen=True)
class JoinedLayout:
    """How several inputs lie: their places one input after the other, as one row of places; see :class:`Layout`.

    An input with fewer channels than another has numbers behind its channels that mean nothing, and are zero.

    Attributes
    ----------
    parts
        One an input.
    dtypes
        Of the inputs.
    """

    parts: tuple[Layout, ...]
    dtypes: tuple[Any, ...]

    @property
    def axes(self) -> str:
        """As of a table."""
        return "NF"

    @property
    def letters(self) -> str:
        """As of a table."""
        return "F"

    @property
    def places(self) -> tuple[int, ...]:
        """One number: that of the places of all inputs."""
        return (sum(self._sizes),)

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples and places."""
        return (self.parts[0].shape[0], *self.places)

    @property
    def _sizes(self) -> list[int]:
        return [int(np.prod(part.places, dtype=int)) for part in self.parts]

    @property
    def _channels(self) -> list[int]:
        return [
            int(np.prod(part.shape[1:], dtype=int)) // size for part, size in zip(self.parts, self._sizes, strict=True)
        ]

    def arranged(self, arrays: Sequence[Array]) -> Array:
        """What lies like the inputs, one array each, as ``(N, places, C)``."""
        return self.joined([part.arranged(array) for part, array in zip(self.parts, arrays, strict=True)])

    def restored(self, array: Array) -> tuple[Array, ...]:
        """The other way; of the inputs' dtypes, contiguous."""
        found, first = [], 0
        for part, size, channels, dtype in zip(self.parts, self._sizes, self._channels, self.dtypes, strict=True):
            own = array[:, first : first + size, :channels].reshape(len(array), *part.places, channels)
            found.append(part.restored(own).astype(dtype, copy=False))
            first += size
        return tuple(found)

    def arranged_values(self, values: Sequence[Any], axes: Sequence[str]) -> Array:
        """Attributions of each input as ``(N, places, C)``, float64; a map without channels is shared out equally among them.

        Raises
        ------
        InvalidArgumentError
            One is no map of its input.
        """
        found = []
        for part, value, letters, channels in zip(self.parts, values, axes, self._channels, strict=True):
            own = part.arranged_values(value, letters)
            if own.shape[-1] != channels:
                own = np.repeat(own / channels, channels, axis=-1)
            found.append(own)
        return self.joined(found)

    def arranged_draws(self, draws: Any) -> Iterator[Array]:
        """Changes of the inputs that a caller gives, a tuple of one array an input; see :meth:`Layout.arranged_draws`.

        Raises
        ------
        InvalidArgumentError
            It is none, or they do not lie like the inputs.
        """
        if not isinstance(draws, (tuple, list)) or len(draws) != len(self.parts):
            raise InvalidArgumentError(
                f"perturbations of {len(self.parts)} inputs are a tuple of as many arrays, each (draws, N, …) like its input"
            )
        by_input = [list(part.arranged_draws(own)) for part, own in zip(self.parts, draws, strict=True)]
        if len({len(own) for own in by_input}) > 1:
            raise InvalidArgumentError("perturbations: there are as many draws of each input")
        for one in zip(*by_input, strict=True):
            yield self.joined(one)

    def arranged_mask(self, mask: Any) -> Array:
        """Masks are of one input.

        Raises
        ------
        InvalidArgumentError
            Always.
        """
        raise InvalidArgumentError("several inputs are explained: say of which the masks are, masks={'name': …}")

    def cleared(self, array: Array) -> Array:
        """Zero where there is no number."""
        real = np.zeros(array.shape[-2:], bool)
        first = 0
        for size, channels in zip(self._sizes, self._channels, strict=True):
            real[first : first + size, :channels] = True
            first += size
        return np.where(real, array, np.zeros((), array.dtype))

    def joined(self, arranged: Sequence[Array]) -> Array:
        """What is arranged for each input by itself, ``(N, places…, C)``, as ``(N, places, C)``."""
        found = np.zeros(
            (len(arranged[0]), *self.places, max(self._channels)), np.result_type(*(own.dtype for own in arranged))
        )
        first = 0
        for own, size, channels in zip(arranged, self._sizes, self._channels, strict=True):
            found[:, first : first + size, :channels] = own.reshape(len(own), size, channels)
            first += size
        return found
