"""Batching: a call cut into chunks of samples, and their results joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import MetannvisError, ToolsetError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import Job, Outcome
from metannvis_methods.running.request import Request


def in_chunks(request: Request, job: Job) -> Outcome:
    """Run a job at once, or in pieces of ``batch_size`` samples if each sample stands for itself."""
    size = request.batch_size
    samples = {int(tensor.shape[0]) for tensor in job.inputs}
    count = samples.pop() if len(samples) == 1 else 0
    if size is None or count <= size or not job.spec.independent:
        return _attempt(request, _sized(job, size, count))
    outcomes = []
    for start in range(0, count, size):
        if request.progress is not None:
            request.progress(start, count, "run")
        piece = _cut(job, start, min(start + size, count), count)
        outcomes.append(_attempt(request, _sized(piece, size, min(size, count - start))))
    if request.progress is not None:
        request.progress(count, count, "run")
    return _joined(outcomes)


def _attempt(request: Request, job: Job) -> Outcome:
    try:
        return request.toolset.run(job)
    except MetannvisError:
        raise
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        raise ToolsetError(
            f"{job.spec.key} of {job.spec.toolset} failed with {type(error).__name__}: {text}"
        ) from error


def _sized(job: Job, size: int | None, count: int) -> Job:
    """Tell the toolkit how many rows may go through the model at once, unless the caller did."""
    if size is None:
        return job
    call = dict(job.call)
    for argument in job.spec.call:
        if argument.role == "batch":
            call[argument.name] = size
        elif argument.role == "per_eval":
            call[argument.name] = max(1, size // max(count, 1))
    return dataclasses.replace(job, call=call)


def _cut(job: Job, start: int, stop: int, count: int) -> Job:
    """The job for some of its samples."""

    def part(value: Any, ranks: Sequence[int] | None = None) -> Any:
        if isinstance(value, tuple):
            return tuple(part(item, ranks and ranks[k : k + 1]) for k, item in enumerate(value))
        shape: Any = getattr(value, "shape", ())
        if ranks and len(shape) != ranks[0]:  # without an axis of samples: the same for all
            return value
        return value[start:stop] if len(shape) and shape[0] == count and count > 1 else value

    like_inputs = ("input", "baseline", "feature_mask")
    per_sample = (*like_inputs, "extra", "layer_baseline", "layer_mask")
    own = [len(tensor.shape) for tensor in job.inputs]
    call = {}
    for name, value in job.call.items():
        argument = job.spec.argument(name)
        if argument is not None and argument.role in per_sample:
            value = part(value, own if argument.role in like_inputs else None)
        call[name] = value
    target = job.target[start:stop] if isinstance(job.target, list) else job.target
    aim = job.spec.by_role("target")
    if aim is not None:
        call[aim.name] = target
    return dataclasses.replace(job, inputs=part(job.inputs), call=call, target=target)


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    def join(parts: Iterator[Any]) -> np.ndarray[Any, Any]:
        return np.concatenate([to_numpy(item) for item in parts])

    first = outcomes[0]
    if isinstance(first.values, (tuple, list)):
        values: Any = tuple(join(o.values[k] for o in outcomes) for k in range(len(first.values)))
    else:
        values = join(o.values for o in outcomes)
    delta = None if first.delta is None else join(o.delta for o in outcomes)
    return dataclasses.replace(first, values=values, delta=delta)
