"""Made images: what a method that makes inputs is told of them, and what its result is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, UnfitWarning
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.history import History
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.image_optimization import ImageOptimization
from metannvis_methods.results.plain import as_tuple
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import model_input
from metannvis_methods.running.image_words import black_and_white
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.restore import input_axes, restore

__all__ = ["as_optimization", "told_of_images"]

Array = np.ndarray[Any, Any]


def told_of_images(asked: RunningCall, call: RunningCall, prepared: Prepared, inputs: Any, axes: Any) -> RunningCall:
    """The call with the shapes of the inputs, and with what black and white are; others than of such methods as they are.

    Raises
    ------
    InvalidArgumentError
        The call needs a prediction, and there are no inputs to predict for.
    """
    if not call.spec.optimizes:
        return call
    key = call.spec.key
    if asked.words.noise is not None:
        raise InvalidArgumentError(f"{key} makes inputs, and noise= is over those that are explained: leave it out")
    if prepared.fixed_batch == 1:
        call = dataclasses.replace(call, batch_size=1)
    if not call.inputs:
        for said, value in (("a function as target", asked.score), ("the name of an output", asked.output)):
            if value is not None and not isinstance(value, int):
                raise InvalidArgumentError(
                    f"{key}: {said} is understood by a prediction: give inputs to begin with, or a class or an objective"
                )
        if asked.option("extra") is not None:
            raise InvalidArgumentError(f"{key}: further inputs of the model need inputs to begin with beside them")
    translation = prepared.translation
    if call.inputs:
        shapes = tuple(tuple(x.shape[1:]) for x in call.inputs)
    elif translation is not None:
        shapes = tuple(tuple(port.target_shape[1:]) for port in translation.inputs)
    else:
        shapes = tuple(tuple(x.shape[1:]) for x in prepared.examples)
    return dataclasses.replace(
        call,
        shapes=shapes,
        value_range=_range(asked, call, prepared, inputs, axes),
        target_given=asked.target is not None or asked.score is not None,
    )


def _range(asked: RunningCall, call: RunningCall, prepared: Prepared, inputs: Any, axes: Any) -> tuple[Any, Any] | None:
    """Black and white of the first input, as the model that runs has them."""
    arrays, letters = as_tuple(inputs), as_tuple(axes)
    if inputs is None:
        arrays = _examples(asked, prepared)
        letters = tuple(input_axes(prepared, array, index) for index, array in enumerate(arrays))
    if not arrays:
        return asked.words.value_range
    found = black_and_white(asked.words, prepared.source, prepared.framework, arrays, letters, 0)
    if found is None or not any(np.ndim(end) for end in found):
        return found
    low, high = (
        model_input(prepared, np.broadcast_to(end, arrays[0].shape).astype(np.float64)[:1], 0) for end in found
    )
    places = tuple(range(2, low.ndim))  # of each channel one number
    return tuple(end.amax(places, keepdim=True) for end in (low, high)) if places else (low, high)


def _examples(asked: RunningCall, prepared: Prepared) -> tuple[Array, ...]:
    """Zeros like the inputs that the caller's model takes, as far as that is known."""
    if prepared.examples:
        return tuple(np.zeros_like(to_numpy(x)) for x in prepared.examples)
    given = asked.option("window")
    ports = () if prepared.translation is None else prepared.translation.inputs
    shapes = [tuple(port.source_shape[1:]) for port in ports] or ([tuple(given)] if given is not None else [])
    if given is not None and len(shapes) == 1:
        shapes = [tuple(given)]
    if any(None in shape for shape in shapes):
        return ()
    dtype = prepared.adapter.float_dtype(prepared.model) or "float32"
    return tuple(np.zeros((1, *shape), dtype) for shape in shapes)


def as_optimization(
    explanation: Explanation, output: MethodOutput, prepared: Prepared, call: RunningCall
) -> Explanation:
    """The result of a method that made images, in the caller's layout; others as they are."""
    history = output.history
    if history is None:
        return explanation
    late = sum(reason == "deadline" for reason in history.ended)
    if late:
        tell(
            f"the time was over after {int(history.steps.max())} steps: {late} of {len(history.ended)} images are not done",
            UnfitWarning,
        )
    fields = {item.name: getattr(explanation, item.name) for item in dataclasses.fields(Explanation)}
    return ImageOptimization(
        **fields,
        losses=history.losses,
        scores=history.scores,
        score=history.score,
        probabilities=history.probabilities,
        steps=history.steps,
        ended=history.ended,
        objectives=history.objectives,
        snapshots=_snapshots(history, prepared, call),
        snapshot_steps=tuple(step for step, _ in history.snapshots),
        value_range=_ends(call),
    )


def _snapshots(history: History, prepared: Prepared, call: RunningCall) -> Array | None:
    """Images of the way, shape ``(snapshots, N, …)``."""
    if not history.snapshots:
        return None
    return np.stack([to_numpy(restore(prepared, call, MethodOutput(images))[0]) for _, images in history.snapshots])


def _ends(call: RunningCall) -> Array:
    """Black and white, shape ``(2, 1)``, or ``(2, C)`` where channels differ."""
    low, high = call.value_range or (0.0, 1.0)
    return np.stack([np.asarray(to_numpy(end), np.float64).reshape(-1) for end in (low, high)])
