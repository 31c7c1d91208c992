"""Held inputs: indices have no gradients. Beside numbers they are held; alone, what embeds them is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, UnfitWarning
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.registry.spec import MethodSpec, Role
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared

__all__ = ["hold_indices", "with_held"]

#: Arguments of which there is one an input.
LIKE_INPUTS: tuple[Role, ...] = ("baseline", "distribution", "feature_mask", "window", "stride")


def hold_indices(call: RunningCall, prepared: Prepared) -> RunningCall:
    """The call with whole-number inputs held, if its method needs gradients with respect to the inputs.

    Raises
    ------
    InvalidArgumentError
        The model takes nothing but whole numbers, and nothing that embeds them is found.

    Warns
    -----
    UnfitWarning
        Some inputs, or what embeds them in their stead, are what is explained.
    """
    spec, adapter = call.spec, prepared.adapter
    if spec.family == "optimization" and not all(adapter.is_floating(x) for x in call.inputs):
        raise InvalidArgumentError(
            f"{spec.key} of {spec.toolset} makes an input by gradient ascent, and the model takes whole numbers (indices), "
            "which have no gradients: there is no such input"
        )
    if spec.family != "gradient" or not (spec.kind in ("primary", "neuron") or spec.moves_inputs):
        return call
    held = {place: x for place, x in enumerate(call.inputs) if not adapter.is_floating(x)}
    if not held:
        return call
    if len(held) == len(call.inputs):
        return _embedded(call, prepared, held)
    places = ", ".join(map(str, held))
    tell(
        f"{spec.key} needs gradients, and input {places} holds whole numbers (indices), which have none: the others are "
        "explained, and it has no values",
        UnfitWarning,
    )
    kept = [place for place in range(len(call.inputs)) if place not in held]
    return dataclasses.replace(
        _of_inputs(call, kept), inputs=tuple(call.inputs[place] for place in kept), held=held, several=True
    )


def _embedded(call: RunningCall, prepared: Prepared, held: dict[int, Any]) -> RunningCall:
    spec, adapter = call.spec, prepared.adapter
    rows = [row for row in prepared.layers() if row.source.role == "embedding" and len(row.source.shape) >= 3]
    if spec.by_role("extra") is None or not rows:
        raise InvalidArgumentError(_no_gradient(spec, [row.source.name for row in rows]))
    if spec.key == "guided_grad_cam":
        raise InvalidArgumentError(
            "guided_grad_cam enlarges a layer's map to the places of an image, of which indices have none: take grad_cam at "
            "the layer, or guided_backprop"
        )
    name = rows[0].source.name
    row = prepared.row
    layer = prepared.find_layer(name)
    prepared.row = prepared.row if row is None else row
    if call.layer is not None and layer is call.layer:
        raise InvalidArgumentError(
            f"{spec.key} moves the inputs, which are whole numbers, so what embeds them is moved; layer {name!r} is that "
            "itself: take layer_integrated_gradients or another method that starts at the layer"
        )
    embedded = adapter.embedded(prepared.model, layer, call.inputs)
    if len(embedded) != len(call.inputs[0]):
        raise InvalidArgumentError(
            f"layer {name!r}, which embeds the indices, returns shape {tuple(embedded.shape)}, whose first axis counts no "
            f"samples: take {spec.key} with layer={name!r}"
        )
    what = (
        "is explained, and its values are summed for each index" if spec.kind != "layer" else "is moved in their stead"
    )
    tell(
        f"{spec.key} needs gradients, and indices have none: layer {name!r}, which embeds them, {what}",
        UnfitWarning,
    )
    call = dataclasses.replace(
        call,
        model=prepared.model,
        inputs=(embedded,),
        held=held,
        embedding=layer,
        several=False,
        axes=("N" + "T" * (embedded.ndim - 2) + "F",),
    )
    return _with_embedded_baselines(call, adapter, prepared)


def _with_embedded_baselines(call: RunningCall, adapter: ModelAdapter, prepared: Prepared) -> RunningCall:
    """Baselines that are indices, embedded as the inputs are."""
    options = dict(call.call_options)
    for argument in call.spec.call:
        value = in_order(options.get(argument.name))
        if argument.role not in ("baseline", "distribution") or not value or not np.ndim(value[0]):
            continue
        tokens = [adapter.as_index(prepared.model, np.rint(to_numpy(item)).astype(int)) for item in value]
        if len(tokens) == len(call.held) and np.ndim(tokens[0]) == np.ndim(next(iter(call.held.values()))):
            options[argument.name] = adapter.embedded(prepared.model, call.embedding, tokens)
    return dataclasses.replace(call, call_options=options)


def _no_gradient(spec: MethodSpec, layers: Sequence[str]) -> str:
    """Token indices have no gradient; a toolkit would say so in words of its own."""
    other = f"toolset='captum', or a layer's variant, with layer={layers[0]!r}" if layers else "a layer's variant"
    return (
        f"{spec.key} of {spec.toolset} needs gradients, and the model takes whole numbers (indices), which have "
        f"none: take {other}{'' if layers else ', with the layer that embeds them'}"
    )


def _of_inputs(call: RunningCall, kept: Sequence[int]) -> RunningCall:
    """The call with what is said of each input said of those that are kept."""
    options = dict(call.call_options)
    for argument in call.spec.call:
        value = options.get(argument.name)
        if argument.role in LIKE_INPUTS and isinstance(value, tuple) and len(value) == len(call.inputs):
            options[argument.name] = tuple(value[place] for place in kept)
    axes = tuple(call.axes[place] for place in kept if place < len(call.axes))
    return dataclasses.replace(call, call_options=options, axes=axes)


def with_held(call: RunningCall, output: MethodOutput) -> MethodOutput:
    """What the method returned as the model's inputs lie: nothing for inputs that were held, one value an embedded index."""
    if not call.held or output.over == "layer":
        return output
    if call.embedding is not None:
        values = to_numpy(output.values[0] if isinstance(output.values, (tuple, list)) else output.values)
        each = values.sum(-1) if output.channels else values
        return dataclasses.replace(output, values=each, axes="N" + "T" * (each.ndim - 1))
    found = iter(output.values if isinstance(output.values, (tuple, list)) else (output.values,))
    count = len(call.inputs) + len(call.held)
    return dataclasses.replace(
        output, values=tuple(None if place in call.held else next(found) for place in range(count))
    )
