"""State of Keras models: what decides what they compute, and what is put back after a toolkit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.ops.gen_resource_variable_ops import (
    read_variable_op,
)  # tf.raw_ops has it as well, inside wrappers that take longer than it does

from metannvis_methods.models.base import Array
from metannvis_methods.models.fingerprint import NOTHING, digest, plain_attributes
from metannvis_methods.models.keras_view import layer_paths

__all__ = ["fingerprint_of", "layers_of", "own_generators_of", "read", "state_of", "variables"]

#: What Keras gives every layer.
FRAMEWORK = frozenset(("build", "call_signature_parameters", "quantize"))
#: Weights by identity, where they lay, as they were read, and their digest, by model.
_digested: WeakKeyDictionary[Any, tuple[tuple[int, ...], tuple[int, ...], list[Array], str]] = WeakKeyDictionary()


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
    """Of all weights; as it was, where each still lies in the memory that was looked at.

    Nothing is written into that memory as long as the array that was read of it is held (see :func:`_same`).
    """
    names = tuple(map(id, weights))
    arrays = [np.asarray(read(weight)) for weight in weights]  # views, where the array of a variable would be a copy
    places = tuple(array.__array_interface__["data"][0] for array in arrays)
    with suppress(TypeError):  # what cannot be referred to weakly is looked at anew
        known = _digested.get(model)
        if known is not None and known[:2] == (names, places):
            return known[3]
    found = digest(
        (getattr(weight, "path", None) or weight.name, array) for weight, array in zip(weights, arrays, strict=True)
    )
    with suppress(TypeError):
        _digested[model] = names, places, arrays, found
    return found


def state_of(model: Any) -> Callable[[], None]:
    """What a toolkit may edit: activations, whether weights can be trained, statistics (``training=True``)."""
    layers = layers_of(model)
    activations = [(layer, layer.activation) for layer in layers if hasattr(layer, "activation")]
    trainable = [(layer, layer.trainable) for layer in layers]
    states = [(variable, read(variable)) for layer in layers for variable in _states(layer)]

    def put_back() -> None:
        for layer, activation in activations:
            if layer.activation is not activation:
                layer.activation = activation
        for layer, flag in trainable:
            if layer.trainable is not flag:
                layer.trainable = flag
        for variable, before in states:
            if not _same(read(variable), before):
                variable.assign(before)

    return put_back


def own_generators_of(model: Any, seed: int | None) -> Callable[[], None]:
    """Those of dropout and noise: with a seed the first starts as ``SeedGenerator(seed)``, the next from ``seed + 1``."""
    found = [generator.state for layer in layers_of(model) for generator in getattr(layer, "_seed_generators", ())]
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
    return list(model._flatten_layers(include_self=False)) if isinstance(model, keras.Model) else []


def variables(model: Any) -> Iterator[Any]:
    """Variables of a Keras model, a SavedModel or a module, each once; a ``tf.function`` does not name its own.

    ``model.weights`` collects those of a layer again for every layer that it lies in.
    """
    if not isinstance(model, keras.Model):
        yield from getattr(model, "variables", None) or ()
        return
    seen: set[int] = set()
    for layer in model._flatten_layers():
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield variable


def read(weight: Any) -> Any:
    """The tensor in a variable."""
    variable = getattr(weight, "_value", weight)
    if isinstance(variable, tf.Variable) and tf.executing_eagerly():
        return read_variable_op(variable.handle, variable.dtype)
    return tf.convert_to_tensor(weight)


def _same(tensor: Any, before: Any) -> bool:
    """Whether a variable holds what it held. TensorFlow writes into no memory that a tensor which was read before still has."""
    now, then = np.asarray(tensor), np.asarray(before)
    at_once = now.__array_interface__["data"] == then.__array_interface__["data"] and now.shape == then.shape
    return at_once or (now.dtype == then.dtype and np.array_equal(now, then))


def _states(layer: Any) -> Iterator[Any]:
    """Variables that a layer writes by itself when it is called: statistics, and the states of its random numbers.

    ``non_trainable_variables`` would be every weight of a frozen layer as well.
    """
    yield from getattr(layer, "_non_trainable_variables", ())
    yield from (generator.state for generator in getattr(layer, "_seed_generators", ()))
