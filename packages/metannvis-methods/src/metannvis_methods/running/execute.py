"""Steps 5 to 7 of a call: translate, find the layer, run, restore."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from metannvis_translate import Translation
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, several, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import Job
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.arguments import Bound
from metannvis_methods.running.batching import in_chunks
from metannvis_methods.running.convert import arguments_for
from metannvis_methods.running.guard import guarded, seeded, set_aside
from metannvis_methods.running.prepare import fingerprint_of, prepare
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.request import Request
from metannvis_methods.running.restore import caller_inputs, restore, translation_summary
from metannvis_methods.running.target import (
    _indices,
    asked_target,
    settle_target,
    translated_target,
)

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
    spec, adapter = request.spec, prepared.adapter
    target, keeps_score = asked_target(bound, request.labels)
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
        _refuse_whole_numbers(spec, adapter, inputs)
    with guarded(adapter, prepared.model), seeded(request.seed):
        if inputs:
            outputs = adapter.predict(prepared.model, (*inputs, *more))
            if spec.by_role("target", "score") is not None and not keeps_score:
                target, found = settle_target(translated_target(prepared, target), outputs)
                recorded = found if asked is None else asked
        if keeps_score is not None:
            recorded = _indices(keeps_score)
        aim = spec.by_role("target")
        if aim is not None:
            call[aim.name] = target
        job = Job(spec, prepared.model, inputs, prepared.layer, init, call, target, request.seed, request.progress)
        outcome = in_chunks(request, job)
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


def _refuse_whole_numbers(spec: MethodSpec, adapter: ModelAdapter, inputs: Sequence[Any]) -> None:
    """Token indices have no gradient; a toolkit would say so in words of its own."""
    for tensor in inputs:
        if not adapter.is_floating(tensor):
            raise InvalidArgumentError(
                f"{spec.key} of {spec.toolset} needs gradients, and the model takes whole numbers (indices), which have "
                "none: take a layer's variant, with the layer that embeds them"
            )
