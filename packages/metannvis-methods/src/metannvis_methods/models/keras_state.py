"""State of Keras models: what decides what they compute, and what is put back after a toolkit."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from metannvis_methods.models.base import Array
from metannvis_methods.models.fingerprint import NOTHING, digest, plain_attributes
from metannvis_methods.models.keras_reading import arrays_of, memory_of, read_all
from metannvis_methods.models.keras_view import layer_paths

__all__ = ["fingerprint_of", "layers_of", "own_generators_of", "state_of", "variables"]

#: What Keras gives every layer.
FRAMEWORK = frozenset(("build", "call_signature_parameters", "quantize"))
#: Weights by identity, as they were read, where they lay, and their digest, by model.
_digested: WeakKeyDictionary[Any, tuple[tuple[int, ...], list[Array], list[Any], str]] = WeakKeyDictionary()


def fingerprint_of(model: Any) -> str | None:
    """Weights, and the layers with their activations and plain attributes."""
    weights = list(variables(model))
    if not weights and not isinstance(model, keras.Model):
        return None
    own, known = frozenset(map(id, weights)), dict[int, str]()

    def parts() -> Iterator[tuple[str, Array]]:
        for path, layer in layer_paths(model):
            activation = getattr(layer, "activation", None)
            yield (
                f"{path}|{type(layer).__name__}|{getattr(activation, '__name__', activation)}",
                NOTHING,
            )
            for key, array in plain_attributes(layer, known, own, FRAMEWORK):
                yield f"{path}.{key}", array
        yield _weights_digest(model, weights), NOTHING

    return digest(parts())


def _weights_digest(model: Any, weights: list[Any]) -> str:
    """Of all weights; as it was, where each still lies in the memory that was looked at, into which nothing was written."""
    names = tuple(map(id, weights))
    arrays = arrays_of(read_all(weights))
    places = memory_of(arrays)
    with suppress(TypeError):  # what cannot be referred to weakly is looked at anew
        known = _digested.get(model)
        if known is not None and known[0] == names and known[2] == places:
            return known[3]
    found = digest(
        (getattr(weight, "path", None) or weight.name, array) for weight, array in zip(weights, arrays, strict=True)
    )
    with suppress(TypeError):
        _digested[model] = names, arrays, places, found
    return found


def state_of(model: Any) -> Callable[[], None]:
    """What a toolkit may edit: activations, whether weights can be trained, statistics (``training=True``)."""
    layers = layers_of(model)
    activations = [(layer, layer.activation) for layer in layers if hasattr(layer, "activation")]
    trainable = list(map(_trainable, layers))
    states = _states(layers)
    before = read_all(states)

    def put_back() -> None:
        for layer, activation in activations:
            if layer.activation is not activation:
                layer.activation = activation
        if not all(map(operator.is_, map(_trainable, layers), trainable)):
            for layer, flag in zip(layers, trainable, strict=True):
                if layer.trainable is not flag:
                    layer.trainable = flag
        now, then = arrays_of(read_all(states)), arrays_of(before)
        if memory_of(now) != memory_of(then):
            for variable, array, known, tensor in zip(states, now, then, before, strict=True):
                if array.dtype != known.dtype or not np.array_equal(array, known):
                    variable.assign(tensor)

    return put_back


def own_generators_of(model: Any, seed: int | None) -> Callable[[], None]:
    """Those of dropout and noise: with a seed the first starts as ``SeedGenerator(seed)``, the next from ``seed + 1``."""
    found = _generator_states(layers_of(model))
    states = list({id(state): state for state in found}.values())
    if seed is None:
        starts = [state.numpy() for state in states]
    else:
        starts = [keras.random.SeedGenerator((seed + k) % 2**32).state.numpy() for k in range(len(states))]

    def begin() -> None:
        for state, start in zip(states, starts, strict=True):
            if not np.array_equal(state.numpy(), start):
                state.assign(start)

    return begin


def layers_of(model: Any) -> list[Any]:
    """Every layer of a Keras model, also those that other layers hold."""
    if not isinstance(model, keras.Model):
        return []
    own = model._layers
    if not any(map(_inner, own)):  # at once, as nearly all are
        return list({id(layer): layer for layer in own}.values())
    return list(model._flatten_layers(include_self=False))


def variables(model: Any) -> Iterator[Any]:
    """Variables of a Keras model, a SavedModel or a module, each once; a ``tf.function`` does not name its own.

    ``model.weights`` collects those of a layer again for every layer that it lies in.
    """
    if not isinstance(model, keras.Model):
        yield from getattr(model, "variables", None) or ()
        return
    seen: set[int] = set()
    for group in itertools.chain.from_iterable(map(_variables, [model, *layers_of(model)])):
        for variable in group:
            if id(variable) not in seen:
                seen.add(id(variable))
                yield variable


_inner: Callable[[Any], Any] = operator.attrgetter("_layers")
_trainable: Callable[[Any], Any] = operator.attrgetter("trainable")
_variables: Callable[[Any], Any] = operator.attrgetter("_trainable_variables", "_non_trainable_variables")
_not_trained: Callable[[Any], Any] = operator.attrgetter("_non_trainable_variables")
_generators: Callable[[Any], Any] = operator.attrgetter("_seed_generators")


def _states(layers: list[Any]) -> list[Any]:
    """Variables that layers write by themselves when they are called: statistics, and the states of their random numbers.

    ``non_trainable_variables`` would be every weight of a frozen layer as well.
    """
    return [*itertools.chain.from_iterable(map(_not_trained, layers)), *_generator_states(layers)]


def _generator_states(layers: list[Any]) -> list[Any]:
    return [generator.state for generator in itertools.chain.from_iterable(map(_generators, layers))]
