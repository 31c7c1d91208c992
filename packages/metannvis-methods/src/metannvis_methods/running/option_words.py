"""Option words in the terms of the model that runs: layers, inputs and axes that they name are the caller's."""

from __future__ import annotations

import dataclasses
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, near_misses
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.option_words import (
    ChosenWord,
    FoundLayer,
    LayerWords,
    NamesLayers,
    Words,
    chosen_in,
)
from metannvis_methods.registry.spec import Argument
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.prepared import Prepared

__all__ = ["explains_layer", "of_layer", "settled_words"]


def settled_words(call: RunningCall, prepared: Prepared, argument: Argument, value: Any) -> Any:
    """The value of an option that takes words: :class:`ChosenWord` in their stead; objects of the toolkit's pass untouched.

    Names of layers become the layers of the model that runs.

    Raises
    ------
    InvalidArgumentError, UnknownLayerError
        A word names an input or a layer that the model has not.
    """
    where = f"{argument.name} of {call.spec.key}"
    if isinstance(argument.takes, LayerWords):
        return _of_layers(argument.takes, value, prepared, where)
    if isinstance(argument.takes, NamesLayers):
        return argument.takes.settle(value, lambda name: _found(name, prepared))
    if not isinstance(argument.takes, Words):
        return value
    parsed = argument.takes.parse(value, where)
    if not chosen_in(parsed) and _holds_objects(parsed):
        return value
    if isinstance(parsed, dict):
        names = adapter_for(prepared.framework).input_names(prepared.source)
        for name in parsed:
            if name not in names:
                close = near_misses(name, names)
                hint = f"Close: {', '.join(close)}." if close else f"It has: {', '.join(names)}."
                raise InvalidArgumentError(f"{where}: the model has no input {name!r}. {hint}")
        parsed = [parsed.get(name, []) for name in names]
    if not any(isinstance(item, list) for item in parsed):
        inputs = prepared.translation.inputs if prepared.translation is not None else ()
        if any(chosen.word.axes in chosen.options for chosen in chosen_in(parsed)):  # which each input has its own way
            return [_settled(parsed, prepared, where, place) for place in range(len(inputs))] or parsed
        return _settled(parsed, prepared, where, 0)
    return [_settled(item, prepared, where, place) for place, item in enumerate(parsed)]


def _of_layers(takes: LayerWords, value: Any, prepared: Prepared, where: str) -> dict[Any, Any]:
    """What layers of the model that runs take, and kinds of layers; layers first, as they were given."""
    layers: dict[Any, Any] = {}
    kinds: dict[Any, Any] = {}
    for name, word in value.items():
        chosen = takes.chosen(word, f"{where} for {name!r}")
        if name in takes.kinds:
            kinds[name] = chosen
            continue
        seen = dataclasses.replace(prepared)  # the row that was found last stays that of the call's layer
        layers[seen.find_layer(name)] = chosen
        prepared.model = seen.model
    return {**layers, **kinds}


def _found(name: str, prepared: Prepared) -> FoundLayer:
    """A layer by its name in the caller's model."""
    seen = dataclasses.replace(prepared)  # the row that was found last stays that of the call's layer
    layer = seen.find_layer(name)
    prepared.model = seen.model
    if seen.row is None:
        return FoundLayer(layer, name=name)
    called, axes, translation = seen.row.source.name, seen.row.target.axes, prepared.translation

    def moved(position: Any) -> Any:
        if translation is None:
            return position
        return translation.to_target(position, role="neuron", index=0, layer=called)

    return FoundLayer(layer, axes, called, moved)


def _holds_objects(parsed: Any) -> bool:
    return any(
        _holds_objects(item) if isinstance(item, list) else True
        for item in (parsed.values() if isinstance(parsed, dict) else parsed)
    )


def _settled(item: Any, prepared: Prepared, where: str, place: int) -> Any:
    if isinstance(item, list):
        return [_settled(one, prepared, where, place) for one in item]
    if not isinstance(item, ChosenWord):
        return item
    options = dict(item.options)
    if item.word.layer in options:
        seen = dataclasses.replace(prepared)  # the row that was found last stays that of the call's layer
        options[item.word.layer] = seen.find_layer(options[item.word.layer]).name
        options["row"] = seen.row
        prepared.model = seen.model
    if item.word.axes in options and prepared.translation is not None:
        options[item.word.axes] = _axes(options[item.word.axes], prepared, where, place)
    return dataclasses.replace(item, options=options)


def _axes(axes: Any, prepared: Prepared, where: str, place: int) -> tuple[int, ...]:
    """Axes of an input of the caller's, counted as the input of the model that runs has them."""
    assert prepared.translation is not None
    if place >= len(prepared.translation.inputs):
        raise InvalidArgumentError(
            f"{where}: the model has {len(prepared.translation.inputs)} inputs, and no input {place}"
        )
    rank = len(prepared.translation.inputs[place].source_shape or ())
    if not all(-rank <= axis < rank for axis in axes):
        raise InvalidArgumentError(f"{where}: axes are two of the {rank} axes of the input, not {tuple(axes)}")
    order = prepared.translation.to_target(tuple(range(1, rank)), role="window", index=place)
    return tuple(0 if axis % rank == 0 else 1 + tuple(order).index(axis % rank) for axis in axes)


def of_layer(call: RunningCall) -> ChosenWord | None:
    """The word by which the output of a layer is explained instead of the model's; ``None`` if there is none."""
    for options, arguments in ((call.init_options, call.spec.init), (call.call_options, call.spec.call)):
        for argument in arguments:
            value = options.get(argument.name)
            if isinstance(argument.takes, Words) and isinstance(value, list):
                for chosen in chosen_in(value):
                    if chosen.word.layer is not None:
                        return chosen
    return None


def explains_layer(asked: RunningCall, call: RunningCall, prepared: Prepared) -> RunningCall | None:
    """The call with its target as a position in the layer that a word takes for the output; ``None`` if no word does.

    Raises
    ------
    InvalidArgumentError
        The call says something of the model's own output as well.
    """
    chosen = of_layer(call)
    if chosen is None:
        return None
    said = [
        name
        for name, value in (
            ("output", asked.output),
            ("logits", asked.words.logits),
            ("a function as target", asked.score),
        )
        if value
    ]
    if said:
        raise InvalidArgumentError(
            f"{asked.spec.key}: {chosen.name} explains a layer instead of the model's output, of which {said[0]} would speak"
        )
    row = chosen.options.get("row")

    def moved(position: Any) -> Any:
        if not isinstance(position, tuple) or prepared.translation is None or row is None:
            return position
        return prepared.translation.to_target(position, role="neuron", index=0, layer=row.source.name)

    target = call.target
    return dataclasses.replace(
        call, target=[moved(item) for item in target] if isinstance(target, list) else moved(target)
    )
