"""From the caller's model and values to those the toolkit runs on: translation, layer, arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.arguments import Bound
from metannvis_methods.cache import cache, signature
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, UnknownLayerError
from metannvis_methods.native import Native, get_native, in_order, several, to_numpy
from metannvis_methods.spec import MethodSpec, Role
from metannvis_methods.toolset import Progress, Toolset

if TYPE_CHECKING:
    from metannvis_translate import Translation
    from metannvis_translate.layers import LayerInfo, LayerRow

__all__ = ["LOAD_OPTIONS", "Prepared", "arguments_for", "auto_layer", "open_source", "prepare"]

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


@dataclass
class Prepared:
    """A model that is ready to run, and how it lies to the caller's.

    Attributes
    ----------
    source, framework
        The caller's model and its framework.
    model, native
        The model that runs, and what can be done to models of its framework.
    translation
        ``None`` if the caller's model runs as it is.
    inputs
        The caller's inputs, further inputs of the model after those that are attributed to.
    examples
        A few of them (or of the dummy inputs), as tensors of the caller's framework.
    layer, row
        The layer object of ``model``, and which layer of the caller's model that is.
    """

    source: Any
    framework: str
    model: Any
    native: Native
    translation: Translation | None = None
    inputs: tuple[Any, ...] = ()
    examples: tuple[Any, ...] = ()
    layer: Any = None
    row: LayerRow | None = None
    opened: Mapping[str, Any] = field(default_factory=dict)

    def layers(self) -> tuple[LayerRow, ...]:
        """Every layer that may be named, in the order in which they run."""
        if self.translation is not None:
            return tuple(iter(self.translation.layers))
        from metannvis_translate import list_layers
        from metannvis_translate.layers import LayerRow

        infos = list_layers(self.source, example_inputs=self.examples or None)
        return tuple(LayerRow(info, info, tuple(range(len(info.shape)))) for info in infos)

    def find_layer(self, layer: Any) -> None:
        """Set ``layer`` and ``row`` from a name or an object of the caller's model, or from a row.

        Raises
        ------
        UnknownLayerError
            The caller's model has no such layer; the message names close ones.
        """
        layer = getattr(getattr(layer, "source", None), "name", layer)
        if isinstance(layer, str) and layer == "auto":
            layer = auto_layer(self.layers())
        if self.translation is None:
            self._find_native(layer)
            return
        try:
            self.row = self.translation.layers.to_target(layer)
        except UnknownLayerError:
            if isinstance(layer, str):
                raise
            self.row = self.translation.layers.to_source(layer)  # an object of the translated model will do as well
        self.model, self.layer = self.translation.attach(self.row.source.name)

    def _find_native(self, layer: Any) -> None:
        from metannvis_translate.layers import LayerInfo, LayerRow

        name = layer if isinstance(layer, str) else self.native.layer_name(self.source, layer)
        if name not in self.opened:
            raise UnknownLayerError(name, self.opened)
        self.layer = self.opened[name]
        info = LayerInfo(name, type(self.layer).__name__)
        self.row = LayerRow(info, info, None)


def auto_layer(rows: Sequence[LayerRow]) -> str:
    """Name of the last convolutional or token layer.

    Raises
    ------
    MissingArgumentError
        There is none.
    """

    def fits(info: LayerInfo) -> bool:
        convolution = "conv" in info.kind.casefold() and len(info.shape) > 2
        return not info.parent and (convolution or (len(info.shape) == 3 and "T" in info.axes))

    names = [row.source.name for row in rows if fits(row.source)]
    if not names:
        known = ", ".join(row.source.name for row in rows)
        raise MissingArgumentError(f"layer='auto' found no convolutional or token layer; name one of: {known}")
    return names[-1]


def open_source(model: Any, options: dict[str, Any]) -> Any:
    """The caller's model: a path is loaded, once, with what ``options`` has for that (taken out of it)."""
    load = {name: options.pop(name) for name in LOAD_OPTIONS if name in options}
    if not isinstance(model, (str, Path)):
        return model
    from metannvis_translate import load_model

    return cache.file(Path(model), load, lambda: load_model(model, **load))


def prepare(
    toolset: Toolset,
    spec: MethodSpec,
    source: Any,
    framework: str,
    bound: Bound,
    options: Mapping[str, Any],
    *,
    layer: Any = None,
    progress: Progress | None = None,
) -> Prepared:
    """Translate the model if the method needs that; otherwise take it as it is.

    Parameters
    ----------
    source
        A model, or a ``Translation`` of one.
    options
        Options of ``translate``; ``dummy_input`` and ``example_inputs`` count where the call has no inputs.
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
    examples = _examples(home, source, framework, given) or (in_order(dummy[0]) if dummy else ())
    fingerprint = None
    if ready is None or ready.target_framework != toolset.framework:
        reasons: tuple[str, ...] = ()
        if framework != toolset.framework:
            reasons = (f"{spec.key} of {spec.toolset} runs on {toolset.framework}",)
        elif not native.is_model(source):
            reasons = (f"a {type(source).__name__} is not a model that {spec.toolset} takes",)
        elif spec.hooks:
            fingerprint = home.fingerprint(source)
            slot = ("obstacles", spec.toolset, signature(examples, {}))
            reasons = cache.get(source, slot, fingerprint, lambda: toolset.obstacles(spec, source, examples or None))
        if not reasons and _names_a_call(layer):
            reasons = (f"{layer!r} is one call of a layer that is called more than once",)
        if not reasons:
            if native.copies(source):
                model, layers = cache.get(source, "opened", home.fingerprint(source), lambda: native.open(source))
            else:
                model, layers = native.open(source)
            return Prepared(source, framework, model, native, None, given, examples, opened=layers)
        if not examples and framework == "torch" and callable(source):
            raise MissingArgumentError(
                f"{'; '.join(reasons)}, so the model is translated, which needs example inputs: give inputs "
                "(seed_input) or dummy_input"
            )
        if framework == toolset.framework:
            logger.info("the model is brought into canonical form for %s: %s", spec.key, "; ".join(reasons))
        ready = _translate(home, source, toolset.framework, examples, options, fingerprint, progress)
    return Prepared(source, framework, ready.model, native, ready, given, examples)


def _names_a_call(layer: Any) -> bool:
    """Whether a layer is named by the number of its call (``conv:2``), which toolkits cannot tell apart."""
    return isinstance(layer, str) and layer.rpartition(":")[2].isdigit() and ":" in layer


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
    to: str,
    examples: tuple[Any, ...],
    options: Mapping[str, Any],
    fingerprint: str | None,
    progress: Progress | None,
) -> Translation:
    from metannvis_translate import translate

    def make() -> Translation:
        logger.info("translating the model to %s", to)
        return translate(source, to, example_inputs=examples or None, progress=progress, **options)

    slot = ("translation", to, *signature(examples, options))
    return cache.translation(source, slot, fingerprint or home.fingerprint(source), make)


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
    if role in ("neuron", "target"):
        layer = prepared.row.source.name if prepared.row is not None else None
        return _translated(prepared, role, value, 0, layer)
    if role in ("window", "stride"):
        one_each = isinstance(value, tuple) and bool(value) and isinstance(value[0], (tuple, list))
        return _each(lambda item, k: _translated(prepared, role, item, k, None), value, one_each)
    offset = len(in_order(bound.of("input"))) if role == "extra" else 0
    layer = prepared.row.source.name if role in ("layer_baseline", "layer_mask") and prepared.row is not None else None

    def convert(item: Any, index: int) -> Any:
        if item is None or isinstance(item, (int, float, str)) or not np.ndim(item):
            return item
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
