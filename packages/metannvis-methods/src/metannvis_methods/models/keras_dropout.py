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


class KerasDropout(ModelAdapter):
    """The part of the model adapter that drops."""

    def dropout_sites(self, model: Any, inputs: Sequence[Any]) -> tuple[DropoutSite, ...]:
        """Of every layer, also of those that other layers hold."""
        return _sites(model, lambda count: self.outputs(model, [tf.repeat(x[:1], count, axis=0) for x in inputs]))

    def dropout_left_off(self, model: Any) -> list[str]:
        """Of recurrent layers."""
        return _left_off(model)

    @contextmanager
    def dropping(self, model: Any, masks: DropoutMasks) -> Iterator[Any]:
        """By other functions of the layers."""
        layers = [(layer, _dropper(lambda path=path: masks.next(path)), False) for path, layer in _dropouts(model)]  # type: ignore[misc]
        with _replaced(layers):
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

        with _replaced([(layer, seeing(layer, path), False) for path, layer in _dropouts(model)]):
            run(count)
        return seen

    return sites_of(calls(1), calls(2))


def _left_off(model: Any) -> list[str]:
    """Recurrent layers, whose own dropout no mask reaches."""
    layers = model._flatten_layers(include_self=False) if isinstance(model, keras.Model) else ()
    rates = ("dropout", "recurrent_dropout")
    kinds = (keras.layers.RNN, keras.layers.ConvLSTM2D)
    return [
        f"{layer.name!r} ({type(layer).__name__})"
        for layer in layers
        if isinstance(layer, kinds) and any((getattr(layer, rate, 0) or 0) > 0 for rate in rates)
    ]


def _dropouts(model: Any) -> Iterator[tuple[str, Any]]:
    """Layers that drop, by their paths; of those that a layer holds, by their names behind a number."""
    paths = {id(layer): path for path, layer in layer_paths(model)}
    layers = model._flatten_layers(include_self=False) if isinstance(model, keras.Model) else ()
    every: dict[int, Any] = {id(layer): layer for layer in layers}
    drops: Any = tuple(KINDS)
    for place, layer in enumerate(every.values()):
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
