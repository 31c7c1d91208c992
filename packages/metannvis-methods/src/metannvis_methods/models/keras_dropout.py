"""Dropout of Keras models, under masks: of every layer that drops, also those that other layers hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.dropout import DropoutMask, DropoutMasks, DropoutSite, SiteCall, sites_of
from metannvis_methods.models.keras_view import layer_paths

__all__ = ["KerasDropout"]

#: Layers that drop, and how.
KINDS: dict[type, str] = {
    keras.layers.Dropout: "inverted",
    keras.layers.AlphaDropout: "alpha",
    keras.layers.GaussianDropout: "gaussian",
}


#: Cells whose masks are made by one function of theirs; those of convolutional layers by the name of their module.
CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
CONVOLUTIONAL = "ConvLSTMCell"


class KerasDropout(ModelAdapter):
    """The part of the model adapter that drops."""

    def dropout_sites(self, model: Any, inputs: Sequence[Any]) -> tuple[DropoutSite, ...]:
        """Of every layer, also of those that other layers hold."""
        return _sites(model, lambda count: self.outputs(model, [tf.repeat(x[:1], count, axis=0) for x in inputs]))

    def dropout_left_off(self, model: Any) -> list[str]:
        """Recurrent layers whose cells make masks of their own kind."""
        return _left_off(model)

    @contextmanager
    def dropping(self, model: Any, masks: DropoutMasks) -> Iterator[Any]:
        """By other functions of the layers."""
        layers = [(layer, _dropper(lambda path=path: masks.next(path)), False) for path, layer in _dropouts(model)]  # type: ignore[misc]
        recurrent = [(layer, _dropper(lambda path=path: masks.next(path))) for path, layer in _recurrent(model)]  # type: ignore[misc]
        with (
            _replaced(layers),
            _recurring([(layer, _of_ones(drop)) for layer, drop in recurrent]),
        ):
            masks.begin_pass()
            yield model

    @contextmanager
    def masking(self, layers: Sequence[tuple[Any, Callable[[], DropoutMask | None]]]) -> Iterator[None]:
        """By other functions of the layers."""
        with _replaced([(layer, _dropper(mask_of), True) for layer, mask_of in layers]):
            yield


def _sites(model: Any, run: Callable[[int], Any]) -> tuple[DropoutSite, ...]:
    """Where a model drops; ``run`` runs it on so many samples that are the same."""

    def calls(count: int) -> list[SiteCall]:
        seen: list[SiteCall] = []

        def seeing(layer: Any, path: str) -> Callable[[Any], Any]:
            def see(tensor: Any) -> Any:
                shape = tuple(tensor.shape)
                seen.append(SiteCall(path, _kind(layer), float(layer.rate), shape, _together(layer, shape)))
                return tensor

            return see

        def seeing_inside(path: str) -> Callable[[Any, float], Any]:
            def see(ones: Any, rate: float) -> Any:
                seen.append(SiteCall(path, "inverted", float(rate), tuple(ones.shape), inside=True))
                return ones

            return see

        outside = [(layer, seeing(layer, path), False) for path, layer in _dropouts(model)]
        with _replaced(outside), _recurring([(layer, seeing_inside(path)) for path, layer in _recurrent(model)]):
            run(count)
        return seen

    return sites_of(calls(1), calls(2))


def _layers(model: Any) -> list[Any]:
    """All layers, each once, also those that layers hold."""
    layers = model._flatten_layers(include_self=False) if isinstance(model, keras.Model) else ()
    return list({id(layer): layer for layer in layers}.values())


def _cells(layer: Any) -> list[Any]:
    cell = getattr(layer, "cell", None)
    return list(getattr(cell, "cells", None) or ([] if cell is None else [cell]))


def _drops(cell: Any) -> bool:
    return any((getattr(cell, rate, 0) or 0) > 0 for rate in ("dropout", "recurrent_dropout"))


def _of_ones(drop: Callable[[Any], Any]) -> Callable[[Any, float], Any]:
    return lambda ones, _: drop(ones)


def _is_known(cell: Any) -> bool:
    return type(cell) in CELLS or (type(cell).__name__ == CONVOLUTIONAL and type(cell).__module__.startswith("keras."))


def _recurrent(model: Any) -> list[tuple[str, Any]]:
    """Recurrent layers that drop by what Keras' own cells make, by their paths."""
    paths = {id(layer): path for path, layer in layer_paths(model)}
    return [
        (paths.get(id(layer), f"{place}/{layer.name}"), layer)
        for place, layer in enumerate(_layers(model))
        if any(map(_drops, _cells(layer))) and all(map(_is_known, _cells(layer)))
    ]


def _left_off(model: Any) -> list[str]:
    """Recurrent layers that drop otherwise, whose dropout no mask reaches."""
    reached = {id(layer) for _, layer in _recurrent(model)}
    return [
        f"{layer.name!r} ({type(layer).__name__})"
        for layer in _layers(model)
        if any(map(_drops, _cells(layer))) and id(layer) not in reached
    ]


@contextmanager
def _recurring(layers: Sequence[tuple[Any, Callable[[Any, float], Any]]]) -> Iterator[None]:
    """Within, recurrent layers are in training mode, and a function makes their masks of ones and a rate.

    A cell asks for each mask once a pass, and keeps it over all steps in time.
    """
    before: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, function: Any) -> None:
        before.append((owner, name, owner.__dict__.get(name)))
        owner.__dict__[name] = function

    def made(cell: Any, function: Callable[[Any, float], Any]) -> Callable[[Any, float], Any]:
        def make(step: Any, rate: float) -> Any:
            several = getattr(cell, "dropout_mask_count", None)
            ones = keras.ops.ones_like(step)
            return function(ones, rate) if several is None else [function(ones, rate) for _ in range(several)]

        return make

    def training(inner: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **more: inner(*given, **{**more, "training": True})

    try:
        for layer, function in layers:
            for cell in _cells(layer):
                put(cell, "_create_dropout_mask", made(cell, function))
            put(layer, "call", training(layer.call))
        yield
    finally:
        for owner, name, own in reversed(before):
            if own is None:
                owner.__dict__.pop(name, None)
            else:
                owner.__dict__[name] = own


def _dropouts(model: Any) -> Iterator[tuple[str, Any]]:
    """Layers that drop, by their paths; of those that a layer holds, by their names behind a number."""
    paths = {id(layer): path for path, layer in layer_paths(model)}
    drops: Any = tuple(KINDS)
    for place, layer in enumerate(_layers(model)):
        if isinstance(layer, drops) and layer.rate > 0:
            yield paths.get(id(layer), f"{place}/{layer.name}"), layer


def _kind(layer: Any) -> str:
    return next(kind for known, kind in KINDS.items() if isinstance(layer, known))


def _together(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes that share a number: the places of a channel, or as the layer's shape of noise says."""
    if type(layer).__name__.startswith("SpatialDropout"):
        rank = len(shape)
        first = getattr(layer, "data_format", "channels_last") == "channels_first"
        return tuple(range(2, rank)) if first else tuple(range(1, rank - 1))
    noise = getattr(layer, "noise_shape", None)
    if noise is None:
        return ()
    if any(size not in (None, 1, own) for size, own in zip(noise[1:], shape[1:], strict=False)):
        raise InvalidArgumentError(
            f"layer {layer.name!r}: its noise_shape {noise} is neither 1 nor that of what it gets, {shape}, along each axis"
        )
    return tuple(axis for axis, size in enumerate(noise) if size == 1 and axis)


def _dropper(mask_of: Callable[[], DropoutMask | None]) -> Callable[[Any], Any]:
    def dropped(tensor: Any) -> Any:
        if tf.executing_eagerly():
            return _dropped(tensor, mask_of())
        # a graph outlives the masks that are in force when it is made
        known = mask_of()
        if known is None:
            return tensor
        shape = tuple(tensor.shape)
        known.repeats(shape)

        def current() -> list[Any]:
            mask = mask_of()
            assert mask is not None
            shift = np.zeros_like(mask.scale) if mask.shift is None else mask.shift
            return [np.broadcast_to(x, mask.site.call.shape) for x in (mask.scale, shift)]

        scale, shift = tf.numpy_function(current, [], [tf.float64, tf.float64])
        axis, own = known.site.batch_axis, known.site.call.shape
        for part in (scale, shift):
            part.set_shape(own)
        times = [1] * len(own)
        times[axis] = tf.shape(tensor)[axis] // own[axis]
        scale, shift = (tf.cast(tf.tile(part, times), tensor.dtype) for part in (scale, shift))
        found = tensor * scale + shift
        found.set_shape(shape)
        return found

    return dropped


def _dropped(tensor: Any, mask: DropoutMask | None) -> Any:
    if mask is None:
        return tensor
    repeats = mask.repeats(tuple(tensor.shape))

    def fitted(array: Any) -> Any:
        found = tf.constant(array, dtype=tensor.dtype)
        return found if repeats is None else tf.tile(found, [r or 1 for r in repeats])

    scaled = tensor * fitted(mask.scale)
    return scaled if mask.shift is None else scaled + fitted(mask.shift)


@contextmanager
def _replaced(layers: Sequence[tuple[Any, Callable[[Any], Any], bool]]) -> Iterator[None]:
    """Within, each layer hands its input to a function, or with ``True`` what it would return."""
    before = []
    try:
        for layer, function, behind in layers:
            own = layer.__dict__.get("call")
            inner = layer.call

            def call(
                *given: Any, function: Any = function, behind: bool = behind, inner: Any = inner, **more: Any
            ) -> Any:
                tensor = inner(*given, **more) if behind else (given[0] if given else more["inputs"])
                return tensor if isinstance(tensor, keras.KerasTensor) else function(tensor)

            before.append((layer, own))
            layer.__dict__["call"] = call
        yield
    finally:
        for layer, own in reversed(before):
            if own is None:
                layer.__dict__.pop("call", None)
            else:
                layer.__dict__["call"] = own
