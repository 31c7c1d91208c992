"""Value conversion: a call in the terms of the caller's model, brought into those of the model that runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, several, to_numpy
from metannvis_methods.registry.spec import Role
from metannvis_methods.registry.toolset import Target
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.option_words import settled_words
from metannvis_methods.running.prepared import Prepared

__all__ = ["caller_array", "converted", "model_input"]

#: The translator's word for a role, where it differs from ours.
TRANSLATED_ROLE: Mapping[Role, str] = {
    "extra": "input",
    "distribution": "baseline",
    "layer_mask": "layer_baseline",
}


FLOATS: tuple[Role, ...] = ("input", "extra", "baseline", "distribution")


def is_foreign(value: Any, framework: str) -> bool:
    """Whether the value is a tensor of another framework, and so in another layout than the model's."""
    from metannvis_translate.frameworks import frameworks

    return any(plugin.key != framework and plugin.is_array(value) for plugin in frameworks())


def converted(call: RunningCall, prepared: Prepared, layer: Any, target: Target) -> RunningCall:
    """The call for the model that runs: its tensors in the layout, dtype and device of that model, ``layer`` its layer object.

    Values whose role does not concern layout, and functions, pass untouched. ``target`` is that of the caller's model, in plain
    numbers, which is settled when the model's output is known.
    """
    options = []
    for given, arguments in ((call.init_options, call.spec.init), (call.call_options, call.spec.call)):
        side = dict(given)
        for argument in arguments:
            value = side.get(argument.name)
            if argument.takes is not None and value is not None:
                side[argument.name] = settled_words(call, prepared, argument, value)
            if argument.role in (None, "layer", "score") or value is None:
                continue
            if not callable(value) or hasattr(value, "shape"):
                side[argument.name] = _converted(call, prepared, argument.role, value)
        options.append(side)
    return dataclasses.replace(
        call,
        model=prepared.model,
        framework=prepared.runs_in,
        inputs=tuple(_tensor(prepared, "input", value, index, None) for index, value in enumerate(call.inputs)),
        layer=layer,
        init_options=options[0],
        call_options=options[1],
        target=target,
    )


def _converted(call: RunningCall, prepared: Prepared, role: Role, value: Any) -> Any:
    if role in ("batch", "per_eval", "delta"):
        return value
    if role == "layer_input":
        if value and prepared.translation is not None:  # a layer's output is mapped, its input is not
            raise InvalidArgumentError(
                f"{call.spec.key} runs on a translation of the model, in which only the output of a layer is the same: name "
                "the layer before it instead of asking for its input"
            )
        return value
    if role in ("neuron", "target"):
        layer = prepared.row.source.name if prepared.row is not None else None
        if role == "neuron" and hasattr(value, "tolist"):  # a position given as an array
            value = value.tolist()
            value = tuple(value) if isinstance(value, list) else value
        if role == "neuron":
            _check_position(call, prepared, value)
        return _translated(prepared, role, value, 0, layer)
    if role in ("window", "stride"):
        one_each = isinstance(value, tuple) and bool(value) and isinstance(value[0], (tuple, list))
        return _each(lambda item, k: _translated(prepared, role, item, k, None), value, one_each)
    offset = len(call.inputs) if role == "extra" else 0
    layer = prepared.row.source.name if role in ("layer_baseline", "layer_mask") and prepared.row is not None else None
    return _each(lambda item, k: _tensor(prepared, role, item, k + offset, layer), value, several(value))


def _check_position(call: RunningCall, prepared: Prepared, position: Any) -> None:
    """Refuse a neuron that the layer has not, as far as its shape is known."""
    if prepared.row is None or not prepared.row.source.shape:
        return
    info = prepared.row.source
    sizes = tuple(info.shape[1:])
    places = position if isinstance(position, tuple) else (position,)
    if not all(isinstance(item, int) for item in places):
        return
    if len(places) != len(sizes):
        axes = f"{len(sizes)} {'axis' if len(sizes) == 1 else 'axes'}"
        count = f"{len(places)} {'entry' if len(places) == 1 else 'entries'}"
        raise InvalidArgumentError(
            f"neuron {position} has {count}, and what layer {info.name!r} returns for each sample has {axes}: {sizes}"
        )
    if any(size is not None and not -size <= item < size for item, size in zip(places, sizes, strict=False)):
        raise InvalidArgumentError(
            f"neuron {position} is none of layer {info.name!r}, which returns {sizes} for each sample"
        )


def model_input(prepared: Prepared, value: Any, index: int) -> Any:
    """An input of the caller's as the model that runs takes it."""
    return _tensor(prepared, "input", value, index, None)


def _tensor(prepared: Prepared, role: Role, item: Any, index: int, layer: str | None) -> Any:
    """An array as a tensor of the model that runs; a number, a function or a name as it is."""
    if item is None or isinstance(item, (int, float, str)) or not np.ndim(item):
        return item
    item = item if hasattr(item, "shape") else to_numpy(item)
    moved = _translated(prepared, role, item, index, layer)
    if role == "layer_baseline":  # a layer returns numbers whatever the model takes
        return prepared.adapter.as_activation(prepared.model, moved)
    if role in FLOATS:
        return prepared.adapter.as_input(prepared.model, moved, index)
    return prepared.adapter.as_index(prepared.model, moved)


def _each(convert: Callable[[Any, int], Any], value: Any, one_each: bool) -> Any:
    if not one_each:
        return convert(value, 0)
    return tuple(convert(item, index) for index, item in enumerate(in_order(value)))


def _translated(prepared: Prepared, role: Role, value: Any, index: int, layer: str | None) -> Any:
    if prepared.translation is None:
        if role not in ("neuron", "target", "window", "stride") and is_foreign(value, prepared.framework):
            raise InvalidArgumentError(
                f"a {type(value).__name__} for a {prepared.framework} model that is not translated: its "
                "layout is unclear; give NumPy, in the model's own layout"
            )
        return value
    return prepared.translation.to_target(value, role=TRANSLATED_ROLE.get(role, role), index=index, layer=layer)


def caller_array(prepared: Prepared, value: Any, index: int) -> np.ndarray[Any, Any]:
    """An input as NumPy in the caller's layout, whatever it was given as."""
    if prepared.translation is not None and is_foreign(value, prepared.framework):
        value = prepared.translation.to_source(value, role="input", index=index)
    return to_numpy(value)
