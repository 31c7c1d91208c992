"""Call resolution: the row, the framework, the choice among several, the arguments (steps 1 to 4 of a call)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, MissingArgumentError, MissingFrameworkError
from metannvis_methods.models.arrays import in_order, several
from metannvis_methods.registry.select import candidates, choose
from metannvis_methods.registry.spec import KINDS, Argument, MethodSpec
from metannvis_methods.registry.table import registry
from metannvis_methods.registry.toolset import Toolset
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.arguments import BoundArguments, bind, check_required
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.deadline import end_of
from metannvis_methods.running.image_words import preprocessed, samples
from metannvis_methods.running.input_words import check_input_words
from metannvis_methods.running.prepare import open_source, order_inputs
from metannvis_methods.running.reference_words import reference_options
from metannvis_methods.running.slices import check_along
from metannvis_methods.running.target import class_index, is_function_of_output, is_score, plain_target
from metannvis_methods.running.word_checks import check_samples
from metannvis_methods.running.words import Words
from metannvis_methods.vocabulary import SegmentationTarget

__all__ = ["check_request", "installed", "resolve", "set_options", "toolset_of"]


def resolve(
    model: Any,
    method: str,
    words: Words,
    *,
    kinds: Collection[str] = KINDS,
    may_find_target: bool,
    asks_delta: bool = False,
    end: float | None = None,
    stacklevel: int = 3,
) -> RunningCall:
    """Steps 1 to 4: the row, the framework, the choice, the arguments. Nothing is translated.

    The call is in the terms of the caller's model. ``end`` is when its time is over, if that began to run before.
    """
    from metannvis_translate import Translation, detect_framework

    words = words.checked()
    deadline, arguments, translation, progress = (
        end_of(words.deadline) if end is None else end,
        words.arguments,
        words.translation,
        words.progress,
    )
    rows = _rows(method, words, kinds)
    translate_options: dict[str, Any] = {}
    if isinstance(translation, Translation):
        model = translation
    elif translation is not None:
        translate_options = dict(translation)
    framework = model.source_framework if isinstance(model, Translation) else detect_framework(model)
    spec = choose(rows, framework, installed, stacklevel=stacklevel)
    options, seed = reference_options(spec, words.options or {}, words.seed)
    exec_args, seed = reference_options(spec, words.exec_args or {}, seed)
    check_along(spec, words.along)
    bound = bind(spec, arguments, options, init_args=words.init_args, exec_args=exec_args)
    check_required(bound, target_may_be_found=may_find_target)
    check_samples(bound.of("input"))
    if not installed(spec):
        how = toolset_of(spec).install_for(spec)
        raise MissingFrameworkError(f"{spec.key} of {spec.toolset} needs packages that are not installed: {how}")
    score, target = _aim(bound, words)
    source = open_source(model, translate_options, progress)
    order_inputs(bound, source, framework, progress)
    inputs, layer = bound.pop("input"), bound.pop("layer")
    inputs, known = preprocessed(inputs, words, source, framework)
    if known is not words.preprocess:
        words = replace(words, preprocess=known)
    if words.data is not None:
        words = replace(words, data=samples(words.data, words, source, framework))
    delta = spec.by_role("delta")
    if asks_delta and delta is not None:
        bound.call.setdefault(delta.name, True)
    return RunningCall(
        spec,
        source,
        inputs=in_order(inputs),
        layer=layer,
        init_options=bound.init,
        call_options=bound.call,
        target=target,
        seed=seed,
        progress=progress,
        framework=framework,
        several=several(inputs),
        batch_size=words.batch_size,
        words=words,
        output=words.output,
        score=score,
        deadline=deadline,
        translate_options=translate_options,
    )


def check_request(method: str, words: Words, *, kinds: Collection[str] = KINDS) -> None:
    """Refuse a call that no model could be given to: words that are none, an argument that is missing or that no row takes.

    Raises
    ------
    MetannvisError
        What :func:`resolve` would raise, of the first row that the method may mean if all of them refuse.
    """
    words = words.checked()
    refused: list[MetannvisError] = []
    for spec in _rows(method, words, kinds):
        try:
            check_along(spec, words.along)
            bound = bind(spec, words.arguments, words.options, init_args=words.init_args, exec_args=words.exec_args)
            check_required(bound, target_may_be_found=True)
            check_samples(bound.of("input"))
            _aim(bound, words)
        except (InvalidArgumentError, MissingArgumentError) as error:
            refused.append(error)
        else:
            return
    raise refused[0]


def _aim(bound: BoundArguments, words: Words) -> tuple[Any, Any]:
    """The function of the output and the target that are explained, one of them, taken out of the arguments.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        A target, or a word for a baseline or a mask, is none; no model is needed to see that.
    """
    aimed, score, target = bound.of("target", "score"), None, None
    is_label = isinstance(aimed, str) and words.labels is not None and aimed in words.labels
    if words.target is not None and aimed is words.target and is_function_of_output(aimed) and not is_label:
        score = bound.take("target", "score")
    if score is None and not is_score(aimed):  # a function by the toolkit's own name stays where the toolkit takes it
        target = bound.take("target", "score")
    plain_target(class_index(target, words.labels))
    if isinstance(score, SegmentationTarget):
        class_index(score, words.labels)
    check_input_words(bound, words.data)
    return score, target


def _rows(method: str, words: Words, kinds: Collection[str]) -> Sequence[MethodSpec]:
    """Rows that a name, a layer or a neuron, and the plain options of some row may mean; all if none has all options."""
    named = None if words.toolset is None else registry.toolset(words.toolset).key
    given = {**(words.init_args or {}), **(words.exec_args or {}), **words.arguments}
    wants: Literal["layer", "neuron"] | None = None
    if given.get("neuron") is not None or given.get("neuron_selector") is not None:
        wants = "neuron"
    elif given.get("layer") is not None:
        wants = "layer"
    rows = candidates(method, registry.methods(), kinds=kinds, toolset=named, wants=wants)
    plain = {name for row in rows for argument in row.arguments if not argument.role for name in _names(argument)}
    options = {*(words.options or {}), *(words.init_args or {}), *(words.exec_args or {})} & plain
    return [row for row in rows if all(row.argument(name) for name in options)] or rows


def _names(argument: Argument) -> tuple[str, ...]:
    return argument.name, *argument.also


def set_options(words: Words, spec: MethodSpec) -> dict[str, Any]:
    """Options of the toolkit that the caller set, as JSON holds them."""
    plain = (None, "batch", "per_eval", "delta", "layer_input")
    given = {**(words.options or {}), **(words.init_args or {}), **(words.exec_args or {})}
    known = {name: spec.argument(name) for name in given}
    return {
        argument.name: jsonable(given[name])
        for name, argument in known.items()
        if argument is not None and argument.role in plain
    }


def toolset_of(spec: MethodSpec) -> Toolset:
    """The toolset whose runner runs a method."""
    return registry.toolset(spec.toolset)


def installed(spec: MethodSpec) -> bool:
    """Whether the packages that a method needs could be imported; imports none."""
    from metannvis_translate.frameworks import is_installed

    return all(is_installed(package) for package in toolset_of(spec).packages_for(spec))
