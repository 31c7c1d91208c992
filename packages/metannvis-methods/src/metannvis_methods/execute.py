"""Steps 5 to 7 of a call: translate, find the layer, run, restore."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from metannvis_translate import Translation
from metannvis_translate.process import exclusive

from metannvis_methods.arguments import Bound, class_index, plain_target, settle_target
from metannvis_methods.errors import InvalidArgumentError, MetannvisError, ToolsetError
from metannvis_methods.guard import guarded, seeded, set_aside
from metannvis_methods.native import Native, in_order, several, to_numpy
from metannvis_methods.prepare import arguments_for, fingerprint_of, prepare
from metannvis_methods.prepared import Prepared
from metannvis_methods.request import Request
from metannvis_methods.restore import caller_inputs, restore, translation_summary
from metannvis_methods.results import Explanation, PendingExplanation, jsonable
from metannvis_methods.spec import MethodSpec
from metannvis_methods.toolset import Job, Outcome, Target

__all__ = ["execute"]


def execute(request: Request) -> Explanation | PendingExplanation:
    """Steps 5 to 7: translate, find the layer, run, restore; if a layer has to be named, what there is.

    One thread at a time runs a toolkit; the others wait, and ``progress`` is told so.
    """
    source, framework = request.source, request.framework
    models = (source.source, source.model) if isinstance(source, Translation) else (source,)
    with set_aside():
        fingerprint = fingerprint_of(request.toolset, request.spec, source, framework, request.progress)
        with exclusive(*models, progress=request.progress):
            return _execute(request, fingerprint)


def _execute(request: Request, fingerprint: str | None) -> Explanation | PendingExplanation:
    spec = request.spec
    argument = spec.by_role("layer")
    layer = request.layer
    if layer is None and argument is not None and not argument.required:
        layer = "auto"
    named = layer is not None and not isinstance(layer, int)
    prepared = request.prepared
    if prepared is None or not prepared.is_current() or (named and prepared.obstacles(layer)):
        prepared = request.prepared = prepare(
            request.toolset,
            spec,
            request.source,
            request.framework,
            request.bound,
            request.options,
            fingerprint=fingerprint,
            layer=layer,
            progress=request.progress,
        )
    prepared = dataclasses.replace(prepared)  # another thread may go on with the same request, at another layer
    if argument is not None and layer is None:
        rows = prepared.layers()
        return PendingExplanation(prepared.model, rows, spec.key, spec.toolset, request.framework, request=request)
    bound = dataclasses.replace(request.bound, init=dict(request.bound.init), call=dict(request.bound.call))
    if argument is not None:
        if named:
            prepared.find_layer(layer)
        else:  # a number is the toolkit's own way to count layers
            bound.side(argument.name)[argument.name] = layer
    with exclusive(prepared.model, *([] if prepared.translation is None else [prepared.translation.model])):
        return _run(request, prepared, bound)


def _run(request: Request, prepared: Prepared, bound: Bound) -> Explanation:
    spec, native = request.spec, prepared.native
    target, keeps_score = _asked_target(bound, request.labels)
    init, call = arguments_for(prepared, bound)
    argument = spec.by_role("input")
    inputs = in_order(call.get(argument.name)) if argument is not None else ()
    extra = spec.by_role("extra")
    more = in_order(call.get(extra.name)) if extra is not None else ()
    if (place := spec.by_role("layer")) is not None and prepared.layer is not None:
        (init if any(known is place for known in spec.init) else call)[place.name] = prepared.layer
    asked = recorded = target
    started = time.perf_counter()
    if spec.family == "gradient" and spec.kind in ("primary", "neuron"):
        _refuse_whole_numbers(spec, native, inputs)
    with guarded(native, prepared.model), seeded(request.seed):
        if inputs:
            outputs = native.predict(prepared.model, (*inputs, *more))
            if spec.by_role("target", "score") is not None and not keeps_score:
                target, found = settle_target(_translated_target(prepared, target), outputs)
                recorded = found if asked is None else asked
        if keeps_score is not None:
            recorded = _indices(keeps_score)
        aim = spec.by_role("target")
        if aim is not None:
            call[aim.name] = target
        job = Job(spec, prepared.model, inputs, prepared.layer, init, call, target, request.seed, request.progress)
        outcome = _in_chunks(request, job)
    seconds = time.perf_counter() - started
    values, axes = restore(prepared, outcome)
    arrays, input_axes = caller_inputs(prepared, len(inputs), several(bound.of("input")))
    return Explanation(
        values=values,
        axes=axes,
        inputs=arrays,
        input_axes=input_axes,
        method=spec.key,
        toolset=spec.toolset,
        framework=request.framework,
        kind=spec.kind,
        layer=prepared.row.source.name if prepared.row is not None else None,
        target=jsonable(recorded),
        labels=request.labels,
        translation=translation_summary(prepared.translation),
        convergence_delta=None if outcome.delta is None else to_numpy(outcome.delta),
        seconds=seconds,
        options={**request.recorded, **({} if request.seed is None else {"seed": request.seed})},
    )


def _refuse_whole_numbers(spec: MethodSpec, native: Native, inputs: Sequence[Any]) -> None:
    """Token indices have no gradient; a toolkit would say so in words of its own."""
    for tensor in inputs:
        if not native.is_floating(tensor):
            raise InvalidArgumentError(
                f"{spec.key} of {spec.toolset} needs gradients, and the model takes whole numbers (indices), which have "
                "none: take a layer's variant, with the layer that embeds them"
            )


def _asked_target(bound: Bound, labels: Sequence[str] | None) -> tuple[Target, Any]:
    """The target as plain numbers, or the toolkit's score function, which stays where it is."""
    asked = bound.of("target", "score")
    functions = asked if isinstance(asked, (list, tuple)) and asked else [asked]
    if all(callable(item) and not hasattr(item, "shape") for item in functions):
        return None, asked
    bound.take("target", "score")
    return plain_target(class_index(asked, labels)), None


def _indices(score: Any) -> Any:
    """The classes that a score function of a toolkit says it picks."""
    indices = getattr(score, "indices", None)
    if not isinstance(indices, (list, tuple)):
        return None
    classes = [int(k) for k in indices]
    return classes[0] if len(classes) == 1 else classes


def _translated_target(prepared: Prepared, target: Target) -> Target:
    """A position in a dense output, as the model that runs lays it out."""
    dense = isinstance(target, tuple) or (isinstance(target, list) and target and isinstance(target[0], tuple))
    if prepared.translation is None or not dense:
        return target
    if isinstance(target, list):
        return [tuple(prepared.translation.to_target(item, role="target")) for item in target]
    moved: Target = tuple(prepared.translation.to_target(target, role="target"))
    return moved


def _in_chunks(request: Request, job: Job) -> Outcome:
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
