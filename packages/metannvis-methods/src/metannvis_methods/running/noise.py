"""Noise: any method over noisy copies of the inputs, averaged. A word of ``explain``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, UnfitWarning
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.notices import tell
from metannvis_methods.vocabulary import SmoothGrad

__all__ = ["over_noise"]


def over_noise(
    noise: SmoothGrad, call: RunningCall, adapter: ModelAdapter, run: Callable[[RunningCall], MethodOutput]
) -> MethodOutput:
    """A method's result over noisy copies.

    The copies are rows of one call, so that ``batch_size`` bounds them as others; copies of a sample follow each other, and
    the noise is drawn at once, from the framework's global generator where it is PyTorch's, as Captum's ``NoiseTunnel`` does.

    Raises
    ------
    InvalidArgumentError
        The method looks at several samples together.
    """
    if not call.spec.batchable:
        raise InvalidArgumentError(
            f"{call.spec.key} looks at several samples together, so it cannot be run over noisy copies"
        )
    count = int(call.inputs[0].shape[0])
    noisy = []
    for place, tensor in enumerate(call.inputs):
        array = to_numpy(tensor)
        if not adapter.is_floating(tensor):
            noisy.append(adapter.as_input(call.model, np.repeat(array, noise.samples, axis=0), place))
            continue
        rest = tuple(range(1, array.ndim))
        size = np.full((count, *[1] * len(rest)), noise.stdev, np.float32)
        if noise.relative:
            size = size * (array.max(rest, keepdims=True) - array.min(rest, keepdims=True)).astype(np.float32)
        moved = adapter.normal((count * noise.samples, *array.shape[1:]))  # in place: there may be many copies
        by_sample = moved.reshape(count, noise.samples, *array.shape[1:])
        by_sample *= size[:, None]
        moved = moved.astype(np.result_type(moved, array), copy=False)
        by_sample = moved.reshape(by_sample.shape)
        by_sample += array[:, None]
        noisy.append(adapter.same_kind(tensor, moved.astype(array.dtype, copy=False)))
    if call.deadline is not None:
        return _until(call.deadline, noise, call, tuple(noisy), adapter, run)
    result = run(_repeated(call, tuple(noisy), noise.samples, count, adapter))
    return _reduced(noise, result, count, noise.samples)


def _until(
    deadline: float,
    noise: SmoothGrad,
    call: RunningCall,
    noisy: tuple[Any, ...],
    adapter: ModelAdapter,
    run: Callable[[RunningCall], MethodOutput],
) -> MethodOutput:
    """The method's result over the copies that are done in time, one after the other."""
    done: list[MethodOutput] = []
    for k in range(noise.samples):
        copy = tuple(adapter.same_kind(x, to_numpy(x)[k :: noise.samples]) for x in noisy)
        try:
            done.append(run(dataclasses.replace(call, inputs=copy)))
        except DeadlineError:
            if not done:
                raise
            break
        if time.monotonic() > deadline:
            break
    if len(done) < noise.samples:
        tell(
            f"the time was over after {len(done)} of {noise.samples} noisy copies, which the values are of",
            UnfitWarning,
        )

    def joined(parts: list[Any]) -> Any:
        if isinstance(parts[0], (tuple, list)):
            return tuple(joined(list(items)) for items in zip(*parts, strict=True))
        stacked = np.stack([to_numpy(part) for part in parts], axis=1)
        return stacked.reshape(-1, *stacked.shape[2:])

    delta = None if done[0].delta is None else joined([output.delta for output in done])
    whole = dataclasses.replace(done[0], values=joined([output.values for output in done]), delta=delta)
    return _reduced(noise, whole, int(call.inputs[0].shape[0]), len(done))


def _reduced(noise: SmoothGrad, result: MethodOutput, count: int, samples: int) -> MethodOutput:
    """What the kind of noise makes of the maps of copies, those of a sample after each other."""

    def reduced(values: Any) -> Any:
        array = to_numpy(values)
        maps = array.reshape(count, samples, *array.shape[1:])
        if noise.kind == "smoothgrad":
            return maps.mean(1)
        square = (maps.astype(np.float64) ** 2).mean(1)
        if noise.kind == "vargrad":
            square = square - maps.astype(np.float64).mean(1) ** 2
        return square.astype(array.dtype)

    values = tuple(map(reduced, result.values)) if isinstance(result.values, (tuple, list)) else reduced(result.values)
    delta = None if result.delta is None else to_numpy(result.delta).reshape(count, samples).mean(1)
    return dataclasses.replace(result, values=values, delta=delta)


def _repeated(
    call: RunningCall, inputs: tuple[Any, ...], samples: int, count: int, adapter: ModelAdapter
) -> RunningCall:
    """The call with everything that is said of each sample said of each of its copies."""

    def repeated(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(repeated, value))
        if getattr(value, "shape", ()) and value.shape[0] == count and count > 1:
            return adapter.same_kind(value, np.repeat(to_numpy(value), samples, axis=0))
        return value

    options = dict(call.call_options)
    for argument in call.spec.call:
        if argument.role in ("baseline", "feature_mask", "layer_baseline", "layer_mask") and argument.name in options:
            options[argument.name] = repeated(options[argument.name])
        elif argument.role == "extra" and argument.name in options:
            options[argument.name] = tuple(
                adapter.same_kind(x, np.repeat(to_numpy(x), samples, axis=0)) for x in _parts(options[argument.name])
            )
    target, score = (
        [item for item in value for _ in range(samples)] if isinstance(value, list) else value
        for value in (call.target, call.score)
    )
    held = {
        place: adapter.same_kind(value, np.repeat(to_numpy(value), samples, axis=0))
        for place, value in call.held.items()
    }
    return dataclasses.replace(call, inputs=inputs, call_options=options, target=target, score=score, held=held)


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
