"""From the caller's model and values to those the toolkit runs on: translation, arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.process import exclusive, using

from metannvis_methods.arguments import Bound
from metannvis_methods.cache import cache, signature
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.native import Native, get_native, in_order, several, to_numpy
from metannvis_methods.prepared import Prepared
from metannvis_methods.spec import MethodSpec, Role
from metannvis_methods.toolset import Progress, Toolset

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = [
    "LOAD_OPTIONS",
    "arguments_for",
    "caller_array",
    "fingerprint_of",
    "open_source",
    "order_inputs",
    "prepare",
]

logger = logging.getLogger("metannvis_methods")

#: Samples that a translation is made and checked with, at most.
EXAMPLES = 8
#: Options of ``load_model``, which a caller may give beside those of ``translate``.
LOAD_OPTIONS = ("trust", "architecture")
#: The translator's word for a role, where it differs from ours.
TRANSLATED_ROLE: Mapping[Role, str] = {
    "extra": "input",
    "distribution": "baseline",
    "layer_mask": "layer_baseline",
}
FLOATS: tuple[Role, ...] = ("input", "extra", "baseline", "distribution", "layer_baseline")


def open_source(model: Any, options: dict[str, Any], progress: Progress | None = None) -> Any:
    """The caller's model: a path is loaded, once, with what ``options`` has for that (taken out of it)."""
    load = {name: options.pop(name) for name in LOAD_OPTIONS if name in options}
    if not isinstance(model, (str, Path)):
        return model
    from metannvis_translate import load_model

    return cache.file(Path(model), load, lambda: load_model(model, **load), progress=progress)


def fingerprint_of(
    toolset: Toolset, spec: MethodSpec, source: Any, framework: str, progress: Progress | None = None
) -> str | None:
    """Digest of the caller's model, if something that is made of it is to be kept; no other thread runs the model meanwhile."""
    from metannvis_translate import Translation

    if isinstance(source, Translation):
        if source.target_framework == toolset.framework:
            return None
        source = source.source
    home = get_native(framework)
    if framework == toolset.framework and home.is_model(source) and not spec.hooks and not home.copies(source):
        return None
    with using(source, progress=progress):
        return home.fingerprint(source)


def order_inputs(bound: Bound, source: Any, framework: str, progress: Progress | None = None) -> None:
    """Put inputs, baselines and masks that were given by name into the order in which the model takes them."""
    for argument in bound.spec.arguments:
        value = bound.side(argument.name).get(argument.name)
        if argument.role in ("input", "baseline", "distribution", "feature_mask") and isinstance(value, Mapping):
            bound.side(argument.name)[argument.name] = in_order(value, _input_names(source, framework, progress))


def _input_names(source: Any, framework: str, progress: Progress | None) -> tuple[str, ...]:
    from metannvis_translate import Translation

    if isinstance(source, Translation):
        return tuple(port.name for port in source.inputs)
    native = get_native(framework)
    with exclusive(source, progress=progress):
        return native.input_names(source)


def prepare(
    toolset: Toolset,
    spec: MethodSpec,
    source: Any,
    framework: str,
    bound: Bound,
    options: Mapping[str, Any],
    *,
    fingerprint: str | None,
    layer: Any = None,
    progress: Progress | None = None,
) -> Prepared:
    """Translate the model if the method needs that; otherwise take it as it is.

    Whoever calls this has the process and the model (:func:`metannvis_translate.process.exclusive`).

    Parameters
    ----------
    source
        A model, or a ``Translation`` of one.
    options
        Options of ``translate``; ``dummy_input`` and ``example_inputs`` count where the call has no inputs.
    fingerprint
        What :func:`fingerprint_of` says of the source.
    layer
        What the caller named, which may be one call of a layer.
    """
    from metannvis_translate import Translation

    options = dict(options)
    dummy = [options.pop(name) for name in ("example_inputs", "dummy_input") if options.get(name) is not None]
    given = (*in_order(bound.of("input")), *in_order(bound.of("extra")))
    native = get_native(toolset.framework)
    ready = source if isinstance(source, Translation) else None
    if ready is not None:
        source = ready.source
    home = get_native(framework)
    if given and not any(_is_foreign(value, framework) for value in given):
        home.check_inputs(source, given)
    examples = _examples(home, source, framework, given)
    if not examples and dummy:
        examples = _examples(home, source, framework, in_order(dummy[0], home.input_names(source)))
    kept = None
    if ready is None or ready.target_framework != toolset.framework:
        reasons: tuple[str, ...] = (f"{spec.key} of {spec.toolset} runs on {toolset.framework}",)
        if framework == toolset.framework:
            as_it_is = Prepared(source, framework, source, native, None, given, examples)
            reasons = _obstacles(toolset, spec, as_it_is, layer, fingerprint)
            if not reasons:
                return as_it_is
            logger.info("the model is brought into canonical form for %s: %s", spec.key, "; ".join(reasons))
        if not examples and framework == "torch" and callable(source):
            raise MissingArgumentError(
                f"{'; '.join(reasons)}, so the model is translated, which needs example inputs: give inputs "
                "(seed_input) or dummy_input"
            )
        # a layer that is called twice is an obstacle that shows late
        kept = home.fingerprint(source) if fingerprint is None else fingerprint
        ready = _translate(home, source, kept, toolset.framework, examples, options, progress)
    return Prepared(source, framework, ready.model, native, ready, given, examples, fingerprint=kept)


def _obstacles(
    toolset: Toolset, spec: MethodSpec, prepared: Prepared, layer: Any, fingerprint: str | None
) -> tuple[str, ...]:
    """Why a model of the right framework cannot be taken as it is; empty if it can, and then it is opened."""
    source, native = prepared.source, prepared.native
    if not native.is_model(source):
        return (f"a {type(source).__name__} is not a model that {spec.toolset} takes",)
    if spec.hooks:
        slot = ("obstacles", spec.toolset, spec.key, signature(prepared.examples, {}))
        reasons: tuple[str, ...] = cache.get(
            source,
            slot,
            fingerprint,
            lambda: toolset.obstacles(spec, source, prepared.examples or None),
        )
        if reasons:
            return reasons
    try:
        if native.copies(source):
            prepared.model, prepared.opened = cache.get(source, "opened", fingerprint, lambda: native.open(source))
        else:
            prepared.model, prepared.opened = native.open(source)
    except UnsupportedOperatorError as error:
        return (str(error).splitlines()[0],)
    return () if layer is None or isinstance(layer, int) else prepared.obstacles(layer)


def _examples(home: Native, source: Any, framework: str, given: Sequence[Any]) -> tuple[Any, ...]:
    """Inputs to translate with: few samples, in the dtype that the source computes in."""
    if not given or any(_is_foreign(value, framework) for value in given):
        return ()
    tensors = tuple(home.as_input(source, value, index) for index, value in enumerate(given))
    counts = {tuple(tensor.shape)[:1] for tensor in tensors}
    if framework != "onnx" and len(counts) == 1 and max(counts)[:1] > (EXAMPLES,):
        tensors = tuple(tensor[:EXAMPLES] for tensor in tensors)
    return tensors


def _is_foreign(value: Any, framework: str) -> bool:
    """Whether the value is a tensor of another framework, and so in another layout than the model's."""
    from metannvis_translate.frameworks import frameworks

    return any(plugin.key != framework and plugin.is_array(value) for plugin in frameworks())


def _translate(
    home: Native,
    source: Any,
    fingerprint: str | None,
    to: str,
    examples: tuple[Any, ...],
    options: Mapping[str, Any],
    progress: Progress | None,
) -> Translation:
    from metannvis_translate import translate

    if home.float_dtype(source) == "float64":
        options = {"dtype": "float64", **options}

    def make() -> Translation:
        if examples and home.key and home.is_model(source):  # a wrong shape is said here, not by an exporter
            with home.guarded(source):
                home.predict(source, examples)
        logger.info("translating the model to %s", to)
        return translate(source, to, example_inputs=examples or None, progress=progress, **options)

    slot = ("translation", to, *signature(examples, options))
    return cache.translation(source, slot, fingerprint, make, afterwards=lambda: home.fingerprint(source))


def arguments_for(prepared: Prepared, bound: Bound) -> tuple[dict[str, Any], dict[str, Any]]:
    """Constructor and call arguments as tensors in the layout, dtype and device of the model that runs.

    Values whose role does not concern layout, and functions, pass untouched. A layer is left out.
    """
    init, call = dict(bound.init), dict(bound.call)
    for argument in bound.spec.arguments:
        side = init if argument.name in init else call
        value = side.get(argument.name)
        if argument.role is None or value is None or (callable(value) and not hasattr(value, "shape")):
            continue
        if argument.role in ("layer", "score"):
            continue
        side[argument.name] = _converted(prepared, argument.role, value, bound)
    return init, call


def _converted(prepared: Prepared, role: Role, value: Any, bound: Bound) -> Any:
    if role in ("batch", "per_eval", "delta"):
        return value
    if role == "layer_input":
        if value and prepared.translation is not None:  # what a layer puts out is mapped, what goes into it is not
            raise InvalidArgumentError(
                f"{bound.spec.key} runs on a translation of the model, in which only what a layer puts out is the same: name "
                "the layer before it instead of asking for its input"
            )
        return value
    if role in ("neuron", "target"):
        layer = prepared.row.source.name if prepared.row is not None else None
        if role == "neuron" and hasattr(value, "tolist"):  # a position given as an array
            value = value.tolist()
            value = tuple(value) if isinstance(value, list) else value
        return _translated(prepared, role, value, 0, layer)
    if role in ("window", "stride"):
        one_each = isinstance(value, tuple) and bool(value) and isinstance(value[0], (tuple, list))
        return _each(lambda item, k: _translated(prepared, role, item, k, None), value, one_each)
    offset = len(in_order(bound.of("input"))) if role == "extra" else 0
    layer = prepared.row.source.name if role in ("layer_baseline", "layer_mask") and prepared.row is not None else None

    def convert(item: Any, index: int) -> Any:
        if item is None or isinstance(item, (int, float, str)) or not np.ndim(item):
            return item
        item = item if hasattr(item, "shape") else to_numpy(item)
        moved = _translated(prepared, role, item, index + offset, layer)
        if role in FLOATS:
            return prepared.native.as_input(prepared.model, moved, index + offset)
        return prepared.native.as_index(prepared.model, moved)

    return _each(convert, value, several(value))


def _each(convert: Callable[[Any, int], Any], value: Any, one_each: bool) -> Any:
    if not one_each:
        return convert(value, 0)
    return tuple(convert(item, index) for index, item in enumerate(in_order(value)))


def _translated(prepared: Prepared, role: Role, value: Any, index: int, layer: str | None) -> Any:
    if prepared.translation is None:
        if role not in ("neuron", "target", "window", "stride") and _is_foreign(value, prepared.framework):
            raise InvalidArgumentError(
                f"a {type(value).__name__} for a {prepared.framework} model that is not translated: its "
                "layout is unclear; give NumPy, in the model's own layout"
            )
        return value
    return prepared.translation.to_target(value, role=TRANSLATED_ROLE.get(role, role), index=index, layer=layer)


def caller_array(prepared: Prepared, value: Any, index: int) -> np.ndarray[Any, Any]:
    """An input as NumPy in the caller's layout, whatever it was given as."""
    if prepared.translation is not None and _is_foreign(value, prepared.framework):
        value = prepared.translation.to_source(value, role="input", index=index)
    return to_numpy(value)
