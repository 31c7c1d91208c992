"""What a model declares of its inputs: names, shapes, where the channels are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Declared", "declared_inputs"]

#: Numbers of channels that an image file can give.
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Declared:
    """One input of a model.

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
        """Number of channels; 1 for images without an axis for them."""
        if len(self.shape) == 3:
            return 1
        return self.shape[1 if self.channels_first else 3]

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width."""
        places = {3: (1, 2), 4: (2, 3) if self.channels_first else (1, 2)}[len(self.shape)]
        return self.shape[places[0]], self.shape[places[1]]


def declared_inputs(model: Any, framework: str, shape: tuple[int, ...] | None = None) -> tuple[Declared, ...]:
    """The inputs of a model, in order; empty if it declares none and the caller gives no ``shape`` for its one input."""
    from metannvis_translate.frameworks import get_framework

    plugin = get_framework(framework)
    found = [(port.name, port.shape) for port in plugin.declared_inputs(model) if port.shape is not None]
    if shape is not None and len(found) <= 1:
        found = [(found[0][0] if found else "input", tuple(shape))]
    return tuple(Declared(name, sizes, _channels_first(sizes, plugin.channels_last)) for name, sizes in found)


def _channels_first(shape: tuple[int | None, ...], channels_last: bool | None) -> bool:
    """By the number of channels, else by the framework's custom."""
    if len(shape) != 4:
        return not channels_last
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    return not channels_last if first == last else first
