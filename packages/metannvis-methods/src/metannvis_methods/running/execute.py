"""Execution: translate, find the layer, run, restore (steps 5 to 7 of a call)."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from metannvis_translate import LayerRow, Translation
from metannvis_translate.process import exclusive

from metannvis_methods.errors import (
    DeadlineError,
    InvalidArgumentError,
    MissingArgumentError,
    UnfitError,
    UnfitWarning,
)
from metannvis_methods.models.arrays import in_order
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.models.view import View
from metannvis_methods.registry.spec import Argument
from metannvis_methods.registry.toolset import MethodOutput, Target, Toolset
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.results.plain import as_tuple
from metannvis_methods.running.arrangement import arrangement
from metannvis_methods.running.batching import in_chunks, limited
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import converted
from metannvis_methods.running.devices import check_device_words, in_half_precision
from metannvis_methods.running.explanation_of import CallerInputs, explanation_of
from metannvis_methods.running.fitness import (
    tell_probabilities,
    tell_unfit_before,
)
from metannvis_methods.running.guard import guarded, own_generators_kept, seeded, set_aside
from metannvis_methods.running.held_inputs import hold_indices, with_held
from metannvis_methods.running.image_words import black_and_white
from metannvis_methods.running.input_words import with_words
from metannvis_methods.running.made_images import told_of_images
from metannvis_methods.running.noise import over_noise
from metannvis_methods.running.notices import noticing
from metannvis_methods.running.option_words import explains_layer
from metannvis_methods.running.outputs import ChosenOutput, choose_output, in_caller_layout, predicted
from metannvis_methods.running.overhearing import MisjudgedError, Overheard, learn, overhear
from metannvis_methods.running.prediction import Seen, nearest_prior, seen_of
from metannvis_methods.running.prepare import fingerprint_of, framework_to_run, prepare
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.progress import Meter, expected_rows
from metannvis_methods.running.request import toolset_of
from metannvis_methods.running.restore import axes_to_run, caller_inputs
from metannvis_methods.running.sharing import remember, shared
from metannvis_methods.running.slices import over_slices, with_words_by_slice
from metannvis_methods.running.target import (
    class_index,
    describe_target,
    plain_target,
    score_classes,
    scores_for,
    settle_target,
    translated_target,
)
from metannvis_methods.running.thinning import Thinning, over_masks, thinnable
from metannvis_methods.vocabulary import SegmentationTarget

__all__ = ["execute", "layers_for"]

logger = logging.getLogger("metannvis_methods")
#: Rows of a pass where there is a deadline and no bound: a pass is not interrupted.
IN_TIME = 2


def execute(call: RunningCall, prepared: Prepared | None = None) -> Explanation | PendingExplanation:
    """Steps 5 to 7: translate, find the layer, run, restore; if a layer has to be named, what there is.

    One thread at a time runs a toolkit; the others wait, and ``progress`` is told so.

    Parameters
    ----------
    call
        In the terms of the caller's model.
    prepared
        The model as an earlier run of the same call prepared it.
    """
    with set_aside(), noticing(call.words.unfit) as told:
        check_device_words(call.words, adapter_for(framework_to_run(call.spec, call.model, call.framework)))
        with _alone(call) as fingerprint:
            result = _execute(toolset_of(call.spec), call, prepared, fingerprint)
    return dataclasses.replace(result, warnings=tuple(told)) if isinstance(result, Explanation) else result


def layers_for(call: RunningCall) -> tuple[LayerRow, ...]:
    """The layers that a call may be for, in the order in which they run; what is translated for it serves its runs as well."""
    with set_aside(), _alone(call) as fingerprint:
        return prepare(toolset_of(call.spec), call, fingerprint=fingerprint, layer="auto").layers()


@contextmanager
def _alone(call: RunningCall) -> Iterator[str | None]:
    """Nobody else runs the model of a call, or draws from its generators; what is inside is given the model's fingerprint."""
    source = call.model
    models = (source.source, source.model) if isinstance(source, Translation) else (source,)
    fingerprint = fingerprint_of(call.spec, source, call.framework, call.progress)
    home = adapter_for(call.framework)
    with exclusive(*models, progress=call.progress), own_generators_kept(home, models[0]):
        yield fingerprint


def _execute(
    toolset: Toolset, call: RunningCall, prepared: Prepared | None, fingerprint: str | None
) -> Explanation | PendingExplanation:
    spec = call.spec
    argument = spec.by_role("layer")
    layer = call.layer
    if layer is None and argument is not None and not argument.required:
        layer, argument = ("auto", argument) if spec.kind == "layer" else (None, None)
    named = layer is not None and not isinstance(layer, int)
    if prepared is None or not prepared.is_current() or (named and prepared.reasons_to_translate(layer)):
        prepared = prepare(toolset, call, fingerprint=fingerprint, layer=layer)
    else:
        prepared = dataclasses.replace(prepared, structure=None)
    kept, prepared = prepared, dataclasses.replace(prepared)  # another thread may go on with it, at another layer
    if argument is not None and layer is None:
        try:
            rows = prepared.layers()
        except MissingArgumentError as error:  # which there are shows when the model runs
            raise MissingArgumentError(
                f"{spec.key} of {spec.toolset} needs layer=…; which layers there are can be told with inputs"
            ) from error
        return PendingExplanation(
            prepared.model, rows, spec.key, spec.toolset, call.framework, request=call, prepared=kept
        )
    thinning = None
    if call.words.uncertainty is not None:
        prepared, thinning = thinnable(call, prepared)
    found = None
    if argument is not None:
        if named:
            found = prepared.find_layer(layer)
        else:  # a number is the toolkit's own way to count layers
            call = _with_option(call, argument, layer)
    models = (prepared.model, *([] if prepared.translation is None else [prepared.translation.model]))
    with exclusive(*models), prepared.adapter.on_device(prepared.model, call.words.device):
        try:
            may_overhear = call.words.autocast is None and thinning is None
            return _run(toolset, call, prepared, found, thinning, may_overhear=may_overhear)
        except _NotHeardError:
            return _run(toolset, call, dataclasses.replace(prepared), found, thinning, may_overhear=False)


class _NotHeardError(Exception):
    """The model was taken to return something else, or has not run through: a prediction of its own tells what is wrong."""


def _with_option(call: RunningCall, argument: Argument, value: Any) -> RunningCall:
    if argument in call.spec.init:
        return dataclasses.replace(call, init_options={**call.init_options, argument.name: value})
    return dataclasses.replace(call, call_options={**call.call_options, argument.name: value})


def _run(
    toolset: Toolset,
    asked: RunningCall,
    prepared: Prepared,
    layer: Any,
    thinning: Thinning | None,
    *,
    may_overhear: bool,
) -> Explanation:
    """Run a call that is in the terms of the caller's model, on the model that is prepared, at one of its layers.

    Raises
    ------
    _NotHeardError
        The prediction was to be overheard, and cannot be.
    """
    spec, adapter = asked.spec, prepared.adapter
    score = asked.option("target", "score")
    target: Target = plain_target(class_index(asked.target, asked.words.labels))
    inputs, input_axes = caller_inputs(prepared, asked)
    if inputs is not None and input_axes is not None:
        lying = as_tuple(inputs), as_tuple(input_axes)

        def ends(place: int) -> tuple[Any, Any] | None:
            return black_and_white(asked.words, prepared.source, prepared.framework, *lying, place)

        if asked.words.along is None:
            worded = with_words(asked, *lying, lambda data: nearest_prior(asked, prepared, target), ends)
        else:
            worded, may_overhear = with_words_by_slice(asked, prepared, *lying, ends), False
        asked = worded
    call = converted(asked, prepared, layer, target)
    call = dataclasses.replace(call, axes=axes_to_run(prepared, as_tuple(input_axes or ())))
    started = time.perf_counter()
    recorded: Any = describe_target(asked.score, asked.words.labels) if asked.score is not None else target
    with guarded(adapter, prepared.model, lightly=call.only_calls and prepared.is_ours), seeded(call.seed):
        begin = adapter.own_generators(prepared.model, call.seed)
        begin()
        if layer is not None and prepared.row is not None:
            row = prepared.row
            call = dataclasses.replace(
                call, layer=prepared.tapped(layer), layer_name=row.source.name, layer_axes=row.target.axes
            )
        if layer is not None and spec.draws_maps:
            arrange = arrangement(prepared, adapter_for(prepared.framework), asked.words.reshape)
            call = dataclasses.replace(call, arrange=arrange)
        call = told_of_images(asked, call, prepared, inputs, input_axes)
        tell_unfit_before(call, prepared, call.inputs)
        seen, heard = Seen(), None
        at_layer = explains_layer(asked, call, prepared)
        if at_layer is None and call.inputs and may_overhear:
            call, heard = overhear(asked, call, prepared) or (call, None)
        if at_layer is not None:
            call = at_layer
        elif call.inputs and heard is None:
            call, seen = _aimed(asked, call, prepared)
            recorded = seen.target if target is None and asked.score is None else recorded
        if score is not None:
            recorded = score_classes(score)
        bounds = (adapter.bounds_rows or not spec.frameworks) and not spec.optimizes
        if call.deadline is not None and call.batch_size is None and bounds:
            call = dataclasses.replace(call, batch_size=IN_TIME)
        if prepared.fixed_batch is not None and call.inputs and not (spec.optimizes and prepared.fixed_batch == 1):
            call = limited(call, adapter, prepared.fixed_batch)
        call = hold_indices(call, prepared)
        if call.embedding is None and (
            call.only_calls or spec.key == "grad_cam"
        ):  # which hands on a copy of the layer's output
            adapter.let_overwrite(prepared.model)
        meter = None
        if call.progress is not None:
            shape = () if prepared.row is None else prepared.row.target.shape or prepared.row.source.shape
            meter = Meter(call.progress, expected_rows(call, shape))
            call = dataclasses.replace(call, progress=meter, passed=None if adapter.tells_passes else meter.passed)
            if call.inputs:  # what makes its own counts its own steps
                meter.begin()

        def run(part: RunningCall) -> MethodOutput:
            if part.words.along is None or part.within is not None:
                return in_chunks(toolset, part, adapter)
            return over_slices(part, adapter, anew)

        def anew(part: RunningCall) -> MethodOutput:
            with seeded(call.seed):
                begin()
                return run(part)

        def whole(part: RunningCall) -> MethodOutput:
            noise = part.words.noise
            return with_held(part, run(part) if noise is None else over_noise(noise, part, adapter, run))

        def precise(part: RunningCall) -> MethodOutput:
            return whole(part) if part.words.autocast is None else in_half_precision(part, adapter, whole)

        spread = None
        with _listening(adapter, prepared, heard, meter), seeded(call.seed):
            begin()  # a model that draws at random draws the same for the method as for the prediction
            if thinning is None:
                output = precise(call)
            else:
                output, spread = over_masks(thinning, call, adapter, precise)
    if meter is not None:
        meter.end()
    if heard is not None:
        seen = _heard(asked, call, prepared, heard)
    seconds = time.perf_counter() - started
    caller = CallerInputs(inputs, input_axes)
    return explanation_of(asked, call, prepared, seen, caller, target, recorded, output, spread, seconds)


@contextmanager
def _listening(
    adapter: ModelAdapter, prepared: Prepared, heard: Overheard | None, meter: Meter | None
) -> Iterator[None]:
    """Inside, the passes of the method are listened to."""
    listeners = [listener for listener in (heard, meter) if listener is not None]
    with ExitStack() as stack:
        if listeners and adapter.can_tell_passes(prepared.model):
            for listener in listeners:
                stack.enter_context(adapter.overhearing(prepared.model, listener))
        try:
            yield
        except MisjudgedError as error:
            raise _NotHeardError from error
        except (DeadlineError, UnfitError, UnfitWarning):
            raise
        except Exception as error:
            if heard is None or (meter is not None and meter.raised is error):
                raise
            if heard.began and not isinstance(error, InvalidArgumentError):  # of which a prediction tells better
                raise
            raise _NotHeardError from error


def _heard(asked: RunningCall, call: RunningCall, prepared: Prepared, heard: Overheard) -> Seen:
    """What was heard, or the prediction that a method which never runs the inputs as they are leaves to be made."""
    output, chosen = heard.output, heard.chosen
    if output is None:
        with guarded(prepared.adapter, prepared.model), seeded(call.seed):
            prepared.adapter.own_generators(prepared.model, call.seed)()
            outputs = predicted(
                prepared.adapter, prepared.model, heard.given, fixed=prepared.fixed_batch, bound=call.batch_size
            )
        output = outputs[chosen.place][1]
        if heard.tells_probabilities:
            tell_probabilities(call, in_caller_layout(chosen, output))
    seen = seen_of(asked, in_caller_layout(chosen, output), chosen, named=len(heard.expected.names) > 1)
    return dataclasses.replace(seen, logits=bool(call.logits))


def _cuts(
    asked: RunningCall, adapter: ModelAdapter, prepared: Prepared, chosen: ChosenOutput, inputs: Sequence[Any]
) -> bool:
    """Whether what goes into the last softmax or sigmoid is explained.

    Raises
    ------
    InvalidArgumentError
        It was asked for, and the output is none of such an activation.
    """
    if asked.words.logits is False or (asked.words.logits is None and "logits" not in asked.spec.needs):
        return False
    found = adapter.ends_in_probabilities(prepared.model, chosen.place, inputs)
    if asked.words.logits and not found:
        raise InvalidArgumentError(
            "logits=True: the output does not come from a softmax or a sigmoid that could be left out; it may be logits already"
        )
    return found


def _aimed(asked: RunningCall, call: RunningCall, prepared: Prepared) -> tuple[RunningCall, Seen]:
    """The call with what it explains settled by a prediction: which output, which target or score of it; and what to record."""
    spec, adapter, home = asked.spec, prepared.adapter, adapter_for(prepared.framework)
    given = (*call.inputs, *in_order(call.option("extra")))
    outputs = shared(
        (id(prepared.model), *map(id, asked.inputs), *map(id, in_order(asked.option("extra")))),
        (prepared.model, asked),
        lambda: predicted(adapter, prepared.model, given, fixed=prepared.fixed_batch, bound=call.batch_size),
    )
    learn(prepared.model, outputs)
    has_target = spec.by_role("target", "score") is not None
    if not has_target and asked.output is None and len(outputs) > 1:
        return call, Seen()
    chosen = choose_output(prepared, home, asked.output, outputs)
    output = in_caller_layout(chosen, outputs[chosen.place][1])
    remember("output", output)
    place = chosen.place if len(outputs) > 1 or outputs[0][0] else None
    known: Any = None
    seen = seen_of(asked, output, chosen, named=len(outputs) > 1)
    before = _cuts(asked, adapter, prepared, chosen, given)
    if len(outputs) == 1 and (before or ("logits" in spec.needs and asked.words.logits is None)):
        learn(prepared.model, outputs, (before,))
    if before:
        logger.info(
            "%s of %s explains what goes into the softmax or sigmoid that the model ends in", spec.key, spec.toolset
        )
        viewed = adapter.view(prepared.model, View(place=chosen.place, logits=True))
        ((_, output),) = predicted(adapter, viewed, given, fixed=prepared.fixed_batch, bound=call.batch_size)
        output = in_caller_layout(chosen, output)
        seen = dataclasses.replace(seen, logits=True)
    elif "logits" in spec.needs and asked.words.logits is None:
        tell_probabilities(asked, output)
    call = dataclasses.replace(call, logits=before)
    if asked.score is not None:
        asked_score = asked.score
        if isinstance(asked_score, SegmentationTarget):
            asked_score = class_index(asked_score, asked.words.labels)
        score = scores_for(asked_score, prepared, home, chosen, output)
        return dataclasses.replace(call, output=place, score=score, target=None), seen
    if has_target and asked.option("target", "score") is None:
        settled, known = settle_target(plain_target(call.target), output)
        call = dataclasses.replace(call, target=translated_target(prepared, settled, chosen.index))
    return dataclasses.replace(call, output=place), dataclasses.replace(seen, target=known)
