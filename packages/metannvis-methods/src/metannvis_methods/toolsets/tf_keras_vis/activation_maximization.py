"""Activation maximization: what it needs beside its defaults, which is a start, seeded generators and progress."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.registry.option_words import ChosenWord
from metannvis_methods.registry.toolset import MethodCall, Progress
from metannvis_methods.toolsets.load import import_quietly
from metannvis_methods.toolsets.tf_keras_vis.objects import (
    callback_of,
    function_of,
    input_modifier_of,
    listed,
    optimizer_of,
    regularizers_of,
)

__all__ = ["ascent_arguments"]

STEPS = 200  # the toolkit's default


def ascent_arguments(model: Any, arguments: Mapping[str, Any], call: MethodCall) -> dict[str, Any]:
    """Arguments to set or replace.

    The toolkit draws the start from TensorFlow, jitter from NumPy's global generator and rotations from
    generators made when it was imported, so no seed repeats a run. With ``call.seed`` each gets a generator of
    its own.
    """
    names = ("seed_input", "input_modifiers", "regularizers", "optimizer")
    given = {name: arguments[name] for name in names if name in arguments}
    ranges = _ranges(model, arguments.get("input_range", (0, 255)))
    if given.get("seed_input") is None:
        given["seed_input"] = _start(model, ranges, call)
    images = all(len(tensor.shape) == 4 for tensor in model.inputs)
    if "input_modifiers" in given:
        given["input_modifiers"] = listed(given["input_modifiers"], model, input_modifier_of, "input_modifiers")
    elif call.seed is not None or not images:
        given["input_modifiers"] = _default_modifiers(model)
    if "regularizers" in given:
        given["regularizers"] = regularizers_of(given["regularizers"], model)
    elif not images:  # total variation is defined for images only
        given["regularizers"] = [
            import_quietly("tf_keras_vis.activation_maximization.regularizers").Norm(weight=0.3, p=1)
        ]
    if call.seed is not None and "input_modifiers" in given:
        given["input_modifiers"] = _seeded(given["input_modifiers"], np.random.default_rng(call.seed))
    if "optimizer" in given:
        given["optimizer"] = optimizer_of(given["optimizer"])
    if "activation_modifiers" in arguments:
        given["activation_modifiers"] = _of_inputs(arguments["activation_modifiers"], model)
    callbacks = arguments.get("callbacks") or []
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    callbacks = [callback_of(item, ranges) if isinstance(item, ChosenWord) else item for item in callbacks]
    if call.progress is not None:
        callbacks.append(_Steps(call.progress, int(arguments.get("steps", STEPS))))
    return {**given, "input_range": ranges, "callbacks": callbacks}


def _ranges(model: Any, input_range: Any) -> list[tuple[Any, Any]]:
    """Bounds of each input; ``None`` where there is none."""
    one = not isinstance(input_range, list) or (len(input_range) == 2 and not isinstance(input_range[0], (list, tuple)))
    ranges = [input_range] if one else list(input_range)
    ranges = ranges * len(model.inputs) if len(ranges) == 1 else ranges
    if len(ranges) != len(model.inputs):
        raise InvalidArgumentError(f"input_range: {len(ranges)} ranges for {len(model.inputs)} inputs of the model")
    pairs = [(None, None) if bounds is None else bounds for bounds in ranges]
    return [(None if low is None else float(low), None if high is None else float(high)) for low, high in pairs]


def _of_inputs(value: Any, model: Any) -> Any:
    """Functions by the names of the inputs, where they are given by word."""
    if not isinstance(value, list):
        return value
    lists = value if any(isinstance(item, list) for item in value) else [value] * len(model.inputs)
    return {tensor.name: function_of(items) for tensor, items in zip(model.inputs, lists, strict=False)}


def _start(model: Any, ranges: Sequence[tuple[Any, Any]], call: MethodCall) -> Any:
    """Uniform noise over the input range, one sample a target."""
    import tensorflow as tf

    generator = np.random.default_rng(call.seed)
    samples = len(call.target) if isinstance(call.target, list) else 1
    starts = []
    for tensor, bounds in zip(model.inputs, ranges, strict=True):
        shape = tuple(tensor.shape)[1:]
        if not tf.as_dtype(tensor.dtype).is_floating:
            raise InvalidArgumentError(
                f"activation maximization ascends a gradient, and input {tensor.name!r} takes whole numbers, which have none"
            )
        if None in shape:
            raise MissingArgumentError(
                f"the model's input has no fixed size ({tuple(tensor.shape)}): give inputs to start from"
            )
        low, high = _bounds(bounds)
        starts.append(tf.constant(generator.uniform(low, high, (samples, *shape)), dtype=tensor.dtype))
    return starts[0] if len(starts) == 1 else starts


def _bounds(bounds: tuple[Any, Any]) -> tuple[float, float]:
    """As the toolkit fills in a bound that is missing."""
    low, high = bounds
    if low is None:
        return (0.0, 1.0) if high is None else (high - abs(high / 2.0), high)
    return low, (low + abs(low * 2.0) if high is None else high)


def _default_modifiers(model: Any) -> Any:
    """The toolkit's defaults, made anew, as far as they suit the rank of each input."""
    modifiers = import_quietly("tf_keras_vis.activation_maximization.input_modifiers")
    lists = []
    for tensor in model.inputs:
        rank = len(tensor.shape)
        chosen = [modifiers.Jitter(jitter=4)] if rank >= 3 else []
        lists.append([*chosen, modifiers.Rotate2D(degree=1)] if rank == 4 else chosen)
    return lists[0] if len(lists) == 1 else lists


def _seeded(modifiers: Any, generator: np.random.Generator) -> Any:
    """Copies of the modifiers that draw from a generator of ours; functions stay as they are."""
    if isinstance(modifiers, Mapping):
        return {name: _seeded(item, generator) for name, item in modifiers.items()}
    if isinstance(modifiers, (list, tuple)):
        return [_seeded(item, generator) for item in modifiers]
    if not hasattr(modifiers, "random_generator"):
        return modifiers
    own = copy.copy(modifiers)
    own.random_generator = generator
    return own


class _Steps:
    """A callback of tf-keras-vis that passes on how far it is."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self.progress, self.steps = progress, steps

    def on_begin(self, **arguments: Any) -> None:
        self.progress(0, self.steps, "ascent")

    def __call__(self, step: int, *values: Any, **more: Any) -> None:
        self.progress(step + 1, self.steps, "ascent")

    def on_end(self) -> None:
        """Nothing to do."""
