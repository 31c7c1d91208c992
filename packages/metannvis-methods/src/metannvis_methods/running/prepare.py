"""Model preparation: the caller's model, or a translation of it, ready for a toolset."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks import is_installed
from metannvis_translate.process import exclusive, using

from metannvis_methods.errors import GradientWarning, InvalidArgumentError, MissingArgumentError
from metannvis_methods.models.arrays import all_finite, in_order, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import Progress, Toolset, reasons_of
from metannvis_methods.running.arguments import BoundArguments
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import is_foreign
from metannvis_methods.running.deadline import ending_with
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.translation_cache import cache, signature
from metannvis_methods.running.word_checks import LOAD_OPTIONS

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = ["LOAD_OPTIONS", "fingerprint_of", "framework_to_run", "open_source", "order_inputs", "prepare"]

logger = logging.getLogger("metannvis_methods")

#: Samples that a translation is made and checked with, at most.
EXAMPLES = 8


def open_source(model: Any, options: dict[str, Any], progress: Progress | None = None) -> Any:
    """The caller's model: a path is loaded, once, with what ``options`` has for that (taken out of it)."""
    load = {name: options.pop(name) for name in LOAD_OPTIONS if name in options}
    if not isinstance(model, (str, Path)):
        return model
    from metannvis_translate import load_model

    return cache.file(Path(model), load, lambda: load_model(model, **load), progress=progress)


def framework_to_run(spec: MethodSpec, source: Any, framework: str) -> str:
    """Key of the framework in which a method runs on a model.

    It is the model's own if the row allows that; else that of a translation which the caller gave; else the first of the
    row's that is installed.
    """
    from metannvis_translate import Translation

    if spec.runs_on(framework):
        return framework
    if isinstance(source, Translation) and source.target_framework in spec.frameworks:
        return source.target_framework
    return next(filter(is_installed, spec.frameworks), spec.frameworks[0])


def _fits(spec: MethodSpec, home: ModelAdapter, model: Any) -> bool:
    """Whether a model of a right framework is an object that the method can use: one that toolkits take, or that predicts."""
    return home.is_model(model) if spec.frameworks else home.predicts(model)


def fingerprint_of(spec: MethodSpec, source: Any, framework: str, progress: Progress | None = None) -> str | None:
    """Digest of the caller's model, if something that is made of it is to be kept; no other thread runs the model meanwhile."""
    from metannvis_translate import Translation

    to = framework_to_run(spec, source, framework)
    if isinstance(source, Translation):
        if source.target_framework == to:
            return None
        source = source.source
    home = adapter_for(framework)
    as_it_is = framework == to and _fits(spec, home, source) and not spec.needs_canonical
    if as_it_is and not (_opens(spec) and home.copies(source)):
        return None
    with using(source, progress=progress):
        return home.fingerprint(source)


def _opens(spec: MethodSpec) -> bool:
    """Whether a method may look into the model: one that needs predictions only does if a layer is named."""
    return bool(spec.frameworks) or spec.by_role("layer") is not None


def order_inputs(bound: BoundArguments, source: Any, framework: str, progress: Progress | None = None) -> None:
    """Put inputs, baselines and masks that were given by name into the order in which the model takes them."""
    for argument in bound.spec.arguments:
        value = bound.side(argument.name).get(argument.name)
        if argument.role in ("input", "baseline", "distribution", "feature_mask") and isinstance(value, Mapping):
            bound.side(argument.name)[argument.name] = in_order(value, _input_names(source, framework, progress))


def _input_names(source: Any, framework: str, progress: Progress | None) -> tuple[str, ...]:
    from metannvis_translate import Translation

    if isinstance(source, Translation):
        return tuple(port.name for port in source.inputs)
    adapter = adapter_for(framework)
    with exclusive(source, progress=progress):
        return adapter.input_names(source)


def prepare(toolset: Toolset, call: RunningCall, *, fingerprint: str | None, layer: Any = None) -> Prepared:
    """Translate the model if the method needs that; otherwise take it as it is.

    Whoever calls this has the process and the model (:func:`metannvis_translate.process.exclusive`).

    Parameters
    ----------
    call
        In the terms of the caller's model, which may be a ``Translation``. ``dummy_input`` and ``example_inputs`` of its
        options of ``translate`` count where it has no inputs.
    fingerprint
        What :func:`fingerprint_of` says of the model.
    layer
        What the caller named, which may be one call of a layer.
    """
    from metannvis_translate import Translation

    spec, source, framework, options = call.spec, call.model, call.framework, dict(call.translate_options)
    dummy = [options.pop(name) for name in ("example_inputs", "dummy_input") if options.get(name) is not None]
    given = (*call.inputs, *in_order(call.option("extra")))
    to = framework_to_run(spec, source, framework)
    adapter = adapter_for(to)
    ready = source if isinstance(source, Translation) else None
    if ready is not None:
        source = ready.source
    home = adapter_for(framework)
    if given and not any(is_foreign(value, framework) for value in given):
        home.check_inputs(source, given)
    examples = _examples(home, source, framework, given, call.batch_size)
    if not examples and dummy:
        dummies = in_order(dummy[0], home.input_names(source))
        examples = _examples(home, source, framework, dummies, call.batch_size)
    kept = None
    if ready is None or ready.target_framework != to:
        reasons: tuple[str, ...] = (f"{spec.key} of {spec.toolset} runs on {' or '.join(spec.frameworks) or to}",)
        if framework == to:
            as_it_is = Prepared(source, framework, source, to, adapter, None, examples)
            reasons = _reasons_to_translate(toolset, spec, as_it_is, layer, fingerprint)
            if not reasons:
                return as_it_is
            logger.info("the model is brought into canonical form for %s: %s", spec.key, "; ".join(reasons))
        if not examples and home.needs_examples(source):
            if given:
                raise InvalidArgumentError(
                    f"{'; '.join(reasons)}, so the model is translated, and its inputs are tensors of another framework: "
                    "before there is a translation nobody can say how they lie; give arrays, or tensors of its own framework"
                )
            raise MissingArgumentError(
                f"{'; '.join(reasons)}, so the model is translated, which needs example inputs: give inputs "
                "(seed_input) or dummy_input"
            )
        # a layer that is called twice is a reason that shows late
        kept = home.fingerprint(source) if fingerprint is None else fingerprint
        progress = ending_with(call.deadline, spec.key, call.progress)
        ready = _translate(home, source, kept, to, examples, options, progress, differentiates=spec.differentiates)
    return Prepared(source, framework, ready.model, to, adapter, ready, examples, fingerprint=kept)


def _reasons_to_translate(
    toolset: Toolset, spec: MethodSpec, prepared: Prepared, layer: Any, fingerprint: str | None
) -> tuple[str, ...]:
    """Why a model of the right framework cannot be taken as it is; empty if it can, and then it is opened."""
    source, adapter = prepared.source, prepared.adapter
    if not _fits(spec, adapter, source):
        return (f"a {type(source).__name__} is not a model that {spec.toolset} takes",)
    misread = adapter.misread(source) if spec.frameworks else ""
    if misread:
        return (misread,)
    if spec.needs_canonical:
        slot = ("reasons to translate", spec.toolset, spec.key, signature(prepared.examples, {}))
        reasons: tuple[str, ...] = cache.get(
            source,
            slot,
            fingerprint,
            lambda: _asked(toolset, spec, prepared),
        )
        if reasons:
            return reasons
    if not _opens(spec):
        return ()
    try:
        if adapter.copies(source):
            prepared.model, prepared.opened = cache.get(source, "opened", fingerprint, lambda: adapter.open(source))
        else:
            prepared.model, prepared.opened = adapter.open(source)
    except UnsupportedOperatorError as error:
        return (str(error).splitlines()[0],)
    return () if layer is None or isinstance(layer, int) else prepared.reasons_to_translate(layer)


def _asked(toolset: Toolset, spec: MethodSpec, prepared: Prepared) -> tuple[str, ...]:
    """What a toolset says against a model, for which it may run it."""
    try:
        return reasons_of(toolset, spec, prepared.source, prepared.examples or None)
    except Exception:
        if prepared.examples:  # a wrong shape is said here
            with prepared.adapter.guarded(prepared.source):
                prepared.adapter.predict(prepared.source, prepared.examples)
        raise


def _examples(
    home: ModelAdapter, source: Any, framework: str, given: Sequence[Any], bound: int | None
) -> tuple[Any, ...]:
    """Inputs to translate with: few samples, in the dtype that the source computes in; no more than may pass at once."""
    if not given or any(is_foreign(value, framework) for value in given):
        return ()
    tensors = home.as_inputs(source, [_finite(value) for value in given])
    counts = {tuple(tensor.shape)[:1] for tensor in tensors}
    fixed = home.fixed_batch(source)
    if fixed is not None and len(counts) == 1:
        return tuple(tensor[:fixed] for tensor in tensors)
    few = min(EXAMPLES, bound or EXAMPLES)
    if home.any_batch and len(counts) == 1 and max(counts)[:1] > (few,):
        tensors = tuple(tensor[:few] for tensor in tensors)
    return tensors


def _finite(value: Any) -> Any:
    """An input without NaN and infinities, of which a comparison of two models says nothing."""
    array = to_numpy(value)
    return value if all_finite(array) else np.nan_to_num(array, posinf=1.0, neginf=-1.0)


def _translate(
    home: ModelAdapter,
    source: Any,
    fingerprint: str | None,
    to: str,
    examples: tuple[Any, ...],
    options: Mapping[str, Any],
    progress: Progress | None,
    *,
    differentiates: bool,
) -> Translation:
    from metannvis_translate import EquivalenceError, translate

    if home.float_dtype(source) == "float64":
        options = {"dtype": "float64", **options}

    def make(options: Mapping[str, Any]) -> Translation:
        if examples and home.key and home.is_model(source):  # a wrong shape is said here, not by an exporter
            with home.guarded(source):
                home.predict(source, examples)
        logger.info("translating the model to %s", to)
        return translate(source, to, example_inputs=examples or None, progress=progress, **options)

    def kept(options: Mapping[str, Any]) -> Translation:
        slot = ("translation", to, *signature(examples, options))
        return cache.translation(
            source, slot, fingerprint, lambda: make(options), afterwards=lambda: home.fingerprint(source)
        )

    try:
        return kept(options)
    except EquivalenceError as error:
        if differentiates or not error.report.only_gradients_fail:
            raise
        # the method asks for predictions alone; a method that differentiates gets its own translation, and the error
        tell(
            "the translation predicts what the model does, but its gradients differ "
            f"({error.report.worst('gradients'):.1e}), which this method has no use for",
            GradientWarning,
        )
        return kept({**options, "gradients": False})
