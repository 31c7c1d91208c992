"""Units: channels of layers, named in the caller's terms, and what they return for a batch, in the model's own framework."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from metannvis_translate import LayerInfo
from metannvis_translate.frameworks import get_framework

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter

__all__ = ["Layer", "activations", "chosen_layers"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layer:
    """A layer whose units are looked at.

    Attributes
    ----------
    name
        In the caller's model.
    units
        Their number.
    channel
        Axis of its output that counts them.
    places
        Height and width of its maps: ``(1, 1)`` of a layer that returns a number a unit, ``(1, T)`` of tokens and signals.
    """

    name: str
    units: int
    channel: int
    places: tuple[int, int]

    def of(self, output: Array) -> Array:
        """Its output with the units behind the batch, shape ``(N, units, h, w)``."""
        moved = np.moveaxis(output, self.channel, 1)
        return moved.reshape(len(moved), self.units, *self.places)


def chosen_layers(
    adapter: ModelAdapter, model: Any, framework: str, layers: Any, batch: Array
) -> tuple[tuple[Layer, ...], str]:
    """The layers that are meant, and the axes of the input.

    Parameters
    ----------
    layers
        A name, an object, ``"convolutions"``, or a list of names and objects.
    batch
        Some images, as the model takes them.

    Raises
    ------
    UnknownLayerError
        There is no such layer; the message names close ones.
    InvalidArgumentError
        The model does not run on such images, or a layer returns nothing with units.
    """
    if adapter.predicts(model) and adapter.fixed_batch(model) is None:  # a wrong shape is said here
        adapter.predict(model, (adapter.as_input(model, batch, 0),))
    described = adapter.describe(model, (batch,))
    known = {info.name: info for info in described.layers}
    if isinstance(layers, str) and layers == "convolutions" and layers not in known:
        names = [info.name for info in described.layers if info.role == "convolution" and not info.parent]
        if not names:
            raise InvalidArgumentError(f"layers='convolutions' found none; there are: {', '.join(known)}")
    else:
        given = list(layers) if isinstance(layers, (list, tuple)) else [layers]
        names = [item if isinstance(item, str) else adapter.layer_name(model, item) for item in given]
    for name in names:
        if name not in known:
            raise UnknownLayerError(name, known)
    names = list(dict.fromkeys(names))
    outputs = outputs_of(adapter, model, framework, names, batch)
    axes = "".join(described.input_axes[:1])
    axes = axes if len(axes) == batch.ndim else adapter.input_axes(model, batch.shape)
    return tuple(_layer(adapter, known[name], outputs[name]) for name in names), axes


def outputs_of(
    adapter: ModelAdapter, model: Any, framework: str, names: Sequence[str], batch: Array
) -> dict[str, Array]:
    """What layers return for a batch, in inference mode; a model that takes one number of samples gets as many."""
    fixed, count = adapter.fixed_batch(model), len(batch)
    lacks = 0 if fixed is None else -count % fixed
    padded = batch if not lacks else np.concatenate([batch, np.repeat(batch[-1:], lacks, axis=0)])
    parts = [padded] if fixed is None else [padded[k : k + fixed] for k in range(0, len(padded), fixed)]
    plugin = get_framework(framework)
    found = [plugin.run(model, [part], layers=list(names)).layers for part in parts]
    lost = [name for name in names if name not in found[0]]
    if lost:
        raise InvalidArgumentError(f"layer {lost[0]!r} returned no tensor")
    return {name: np.concatenate([to_numpy(part[name]) for part in found])[:count] for name in names}


def activations(
    adapter: ModelAdapter, model: Any, framework: str, layers: Sequence[Layer], batch: Array
) -> Iterator[tuple[Layer, Array]]:
    """What the units of each layer return for a batch, shape ``(N, units, h, w)``."""
    outputs = outputs_of(adapter, model, framework, [layer.name for layer in layers], batch)
    for layer in layers:
        yield layer, layer.of(outputs[layer.name])


def _layer(adapter: ModelAdapter, info: LayerInfo, output: Array) -> Layer:
    rank = output.ndim
    axes = info.axes if len(info.axes) == rank and "?" not in info.axes else ""
    letter = "C" if "C" in axes else "F"
    if axes and letter in axes:
        channel = axes.index(letter)
    elif rank in (2, 3, 4):
        channel = rank - 1 if adapter.channels_last or rank == 3 else 1
    else:
        raise InvalidArgumentError(f"layer {info.name!r} returns shape {output.shape}, of which no axis counts units")
    rest = [size for axis, size in enumerate(output.shape) if axis not in (0, channel)]
    if len(rest) > 2:
        raise InvalidArgumentError(
            f"layer {info.name!r} returns volumes, shape {output.shape}: dissection is of images"
        )
    places = (1, 1) if not rest else (1, rest[0]) if len(rest) == 1 else (rest[0], rest[1])
    return Layer(info.name, output.shape[channel], channel, places)
