"""Call resolution: the row, the framework, the choice among several, the arguments (steps 1 to 4 of a call)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from metannvis_methods.errors import InvalidArgumentError, MissingFrameworkError
from metannvis_methods.models.arrays import in_order, several
from metannvis_methods.registry.select import candidates, choose
from metannvis_methods.registry.spec import KINDS, MethodSpec
from metannvis_methods.registry.table import registry
from metannvis_methods.registry.toolset import MethodCall, Progress, Toolset
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.arguments import bind, check_required
from metannvis_methods.running.input_words import value_range_word
from metannvis_methods.running.noise import noise_word
from metannvis_methods.running.notices import unfit_word
from metannvis_methods.running.prepare import open_source, order_inputs
from metannvis_methods.running.reference_words import reference_options
from metannvis_methods.running.target import is_function_of_output, is_score

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = ["batch_rows", "installed", "resolve", "toolset_of"]


def resolve(
    model: Any,
    method: str,
    *,
    kinds: Collection[str] = KINDS,
    toolset: str | None,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    init_args: Mapping[str, Any] | None,
    exec_args: Mapping[str, Any] | None,
    translation: Mapping[str, Any] | Translation | None,
    may_find_target: bool,
    output: Any = None,
    noise: Any = None,
    reshape: Any = None,
    unfit: str = "warn",
    logits: bool | None = None,
    deadline: float | None = None,
    data: Any = None,
    value_range: Any = None,
    labels: tuple[str, ...] | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    asks_delta: bool = False,
    stacklevel: int = 3,
    progress: Progress | None = None,
) -> MethodCall:
    """Steps 1 to 4: the row, the framework, the choice, the arguments. Nothing is translated.

    The call is in the terms of the caller's model.
    """
    from metannvis_translate import Translation, detect_framework

    named = None if toolset is None else registry.toolset(toolset).key
    given = {**(init_args or {}), **(exec_args or {}), **arguments}
    wants: Literal["layer", "neuron"] | None = None
    if given.get("neuron") is not None or given.get("neuron_selector") is not None:
        wants = "neuron"
    elif given.get("layer") is not None:
        wants = "layer"
    rows = candidates(method, registry.methods(), kinds=kinds, toolset=named, wants=wants)
    translate_options: dict[str, Any] = {}
    if isinstance(translation, Translation):
        model = translation
    elif translation is not None:
        if not isinstance(translation, Mapping):
            raise InvalidArgumentError("translation is a Translation, or a dict of options of translate()")
        translate_options = dict(translation)
    framework = model.source_framework if isinstance(model, Translation) else detect_framework(model)
    spec = choose(rows, framework, installed, stacklevel=stacklevel)
    options, seed = reference_options(spec, options or {}, seed)
    exec_args, seed = reference_options(spec, exec_args or {}, seed)
    bound = bind(spec, arguments, options, init_args=init_args, exec_args=exec_args)
    check_required(bound, target_may_be_found=may_find_target)
    if not installed(spec):
        chosen = toolset_of(spec)
        how = chosen.install or f"install {', '.join(chosen.packages)}"
        raise MissingFrameworkError(f"{spec.key} of {spec.toolset} needs packages that are not installed: {how}")
    plain = {
        known.name for known in spec.arguments if known.role in (None, "batch", "per_eval", "delta", "layer_input")
    }
    recorded = {**(options or {}), **(init_args or {}), **(exec_args or {})}
    source = open_source(model, translate_options, progress)
    order_inputs(bound, source, framework, progress)
    inputs, layer, target = bound.pop("input"), bound.pop("layer"), None
    aimed, score = bound.of("target", "score"), None
    is_label = isinstance(aimed, str) and labels is not None and aimed in labels
    if (
        arguments.get("target") is not None
        and aimed is arguments["target"]
        and is_function_of_output(aimed)
        and not is_label
    ):
        score = bound.take("target", "score")
    if score is None and not is_score(
        aimed
    ):  # a function given by the toolkit's own name stays where the toolkit takes it
        target = bound.take("target", "score")
    delta = spec.by_role("delta")
    if asks_delta and delta is not None:
        bound.call.setdefault(delta.name, True)
    return MethodCall(
        spec,
        source,
        inputs=in_order(inputs),
        layer=layer,
        init_options=bound.init,
        call_options=bound.call,
        target=target,
        output=output,
        score=score,
        noise=noise_word(noise),
        reshape=reshape,
        unfit=unfit_word(unfit),
        logits=logits,
        deadline=deadline,
        data=data,
        value_range=value_range_word(value_range),
        seed=seed,
        progress=progress,
        framework=framework,
        several=several(inputs),
        labels=labels,
        batch_size=batch_size,
        translate_options=translate_options,
        recorded={name: jsonable(value) for name, value in recorded.items() if name in plain},
    )


def toolset_of(spec: MethodSpec) -> Toolset:
    """The toolset whose runner runs a method."""
    return registry.toolset(spec.toolset)


def installed(spec: MethodSpec) -> bool:
    """Whether the packages that a method needs could be imported; imports none."""
    from metannvis_translate.frameworks import is_installed

    return all(is_installed(package) for package in toolset_of(spec).packages)


def batch_rows(value: Any) -> int | None:
    """A ``batch_size`` as the caller gave it, checked."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"batch_size is a whole number of at least 1, not {value!r}")
    return value
