"""Activation maximization: what it needs beside its defaults, which is a start, seeded generators and progress."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.registry.toolset import MethodCall, Progress
from metannvis_methods.toolsets.load import import_quietly

__all__ = ["ascent_arguments"]

STEPS = 200  # the toolkit's default


def ascent_arguments(model: Any, arguments: Mapping[str, Any], call: MethodCall) -> dict[str, Any]:
    """Arguments to set or replace.

    The toolkit draws the start from TensorFlow, jitter from NumPy's global generator and rotations from
    generators made when it was imported, so no seed repeats a run. With ``call.seed`` each gets a generator of
    its own.
    """
    given = {name: arguments[name] for name in ("seed_input", "input_modifiers", "regularizers") if name in arguments}
    if given.get("seed_input") is None:
        given["seed_input"] = _start(model, arguments.get("input_range", (0, 255)), call)
    images = all(len(tensor.shape) == 4 for tensor in model.inputs)
    if "input_modifiers" not in arguments and (call.seed is not None or not images):
        given["input_modifiers"] = _default_modifiers(model)
    if "regularizers" not in arguments and not images:  # total variation is defined for images only
        given["regularizers"] = [
            import_quietly("tf_keras_vis.activation_maximization.regularizers").Norm(weight=0.3, p=1)
        ]
    if call.seed is not None and "input_modifiers" in given:
        given["input_modifiers"] = _seeded(given["input_modifiers"], np.random.default_rng(call.seed))
    if call.progress is not None:
        callbacks = arguments.get("callbacks") or []
        callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        given["callbacks"] = [*callbacks, _Steps(call.progress, int(arguments.get("steps", STEPS)))]
    return given


def _start(model: Any, input_range: Any, call: MethodCall) -> Any:
    """Uniform noise over the input range, one sample a target."""
    import tensorflow as tf

    generator = np.random.default_rng(call.seed)
    samples = len(call.target) if isinstance(call.target, list) else 1
    ranges = list(input_range) if isinstance(input_range, list) else [input_range] * len(model.inputs)
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


def _bounds(bounds: Any) -> tuple[float, float]:
    """As the toolkit fills in a bound that is missing."""
    low, high = (None, None) if bounds is None else bounds
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
