"""Input specifications: what a model declares of its inputs, names, shapes and where the channels are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metannvis_translate.frameworks import get_framework

__all__ = ["CHANNELS", "InputSpec", "input_specs"]

#: Numbers of channels that an image file can give.
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class InputSpec:
    """One input of a model, as files have to be read for it.

    Attributes
    ----------
    name
        As the model calls it.
    shape
        Batch first; ``None`` stands for a free size.
    channels_first
        Where the channels of an image are, as far as the framework's custom and the sizes tell.
    """

    name: str
    shape: tuple[int | None, ...]
    channels_first: bool

    @property
    def is_image(self) -> bool:
        """Whether an image file can be read for it."""
        return len(self.shape) in (3, 4)

    @property
    def channels(self) -> int | None:
        """Number of channels of an image, 1 without an axis for them; ``None`` stands for a free number."""
        if len(self.shape) == 3:
            return 1
        return self.shape[1 if self.channels_first else 3]

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image; ``None`` stands for a free size."""
        places = {3: (1, 2), 4: (2, 3) if self.channels_first else (1, 2)}[len(self.shape)]
        return self.shape[places[0]], self.shape[places[1]]


def input_specs(model: Any, framework: str, shape: tuple[int, ...] | None = None) -> tuple[InputSpec, ...]:
    """The inputs of a model, in order; empty if it declares none and the caller gives no ``shape``.

    Parameters
    ----------
    model
        A model of the framework; nothing of it is run.
    framework
        Key of its framework, as ``metannvis_translate.detect_framework`` tells it.
    shape
        Shape of its one input, batch first, in the framework's own layout: takes the place of a declared one. Does not count
        for a model that declares several inputs.
    """
    plugin = get_framework(framework)
    found = [(port.name, port.shape) for port in plugin.declared_inputs(model) if port.shape is not None]
    if shape is not None and len(found) <= 1:
        found = [(found[0][0] if found else "input", tuple(shape))]
    return tuple(InputSpec(name, sizes, _channels_first(sizes, plugin.channels_last)) for name, sizes in found)


def _channels_first(shape: tuple[int | None, ...], channels_last: bool | None) -> bool:
    """By the number of channels, else by the framework's custom."""
    if len(shape) != 4:
        return not channels_last
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    return not channels_last if first == last else first
