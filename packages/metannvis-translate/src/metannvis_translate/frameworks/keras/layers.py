"""Layer listing of a Keras model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_translate.errors import MissingArgumentError
from metannvis_translate.frameworks.keras.axes import Passage, infer, role_of
from metannvis_translate.frameworks.keras.graph import Call, Walk, functional_of, is_layer, numbered, output_specs
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.layers import LayerInfo, ModelDescription

__all__ = ["describe"]


def describe(model: Any, inputs: Sequence[np.ndarray[Any, Any]] | None) -> ModelDescription:
    """Layers that run, in order of execution, containers behind what they hold; axes of their outputs and of inputs."""
    keras = require("keras")
    rows: list[tuple[LayerInfo, Any]] = []
    passages: list[Passage] = []

    def is_value(x: Any) -> bool:
        return isinstance(x, keras.KerasTensor)

    def spec(x: Any) -> tuple[Any, str]:
        return tuple(x.shape), x.dtype

    def note(call: Call, outputs: Sequence[Any], *, parent: bool = False) -> None:
        for k, value in enumerate(outputs):
            name = numbered(call.name, 1, k)
            role = "" if k else role_of(call.operation)
            rows.append((LayerInfo(name, type(call.operation).__name__, tuple(value.shape), "", parent, role), value))

    def leaf(call: Call) -> Any:
        given = [x for x in keras.tree.flatten((call.args, call.kwargs)) if is_value(x)]
        specs = output_specs(call, call.args, call.kwargs, is_value, spec)
        outputs = [keras.KerasTensor(x.shape, dtype=x.dtype) for x in specs]
        passages.append(Passage(call.operation, [_key(x) for x in given], [_key(x) for x in outputs]))
        kept.extend((*given, *outputs))
        if is_layer(call.operation):
            note(call, outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    kept: list[Any] = []  # keys are ids, so nothing may be collected meanwhile
    walk = Walk(
        leaf=leaf,
        is_value=is_value,
        spec=spec,
        cast=lambda x, dtype: x,
        parent=lambda call, outputs: note(call, keras.tree.flatten(outputs), parent=True),
        weight=lambda layer, variable: keras.KerasTensor(variable.shape, dtype=variable.dtype),
        constant=lambda x: keras.KerasTensor(x.shape, dtype=keras.backend.standardize_dtype(x.dtype)),
    )
    tensors = _inputs(model, inputs)
    kept.extend(tensors)
    walk.model(model, tensors)
    letters = infer(passages, [_key(x) for x in tensors], shapes={id(x): tuple(x.shape) for x in kept})
    layers = tuple(
        dataclasses.replace(info, axes=letters.get(id(value)) or _unknown(info.shape)) for info, value in rows
    )
    embedded = {key for row in passages if role_of(row.operation) == "embedding" for key, _ in row.inputs}
    return ModelDescription(
        tuple(letters.get(id(x)) or _unknown(x.shape) for x in tensors),
        layers,
        tuple(place for place, x in enumerate(tensors) if id(x) in embedded),
    )


def _key(x: Any) -> tuple[int, int]:
    return id(x), len(x.shape)


def _unknown(shape: Sequence[Any]) -> str:
    return "N" + "?" * (len(shape) - 1) if shape else ""


def _inputs(model: Any, inputs: Sequence[np.ndarray[Any, Any]] | None) -> list[Any]:
    keras = require("keras")
    function = functional_of(model)
    if function is not None:
        is_free = isinstance(model, keras.Sequential)
        return [keras.KerasTensor((None, *x.shape[1:]) if is_free else x.shape, dtype=x.dtype) for x in function.inputs]
    if inputs is None:
        raise MissingArgumentError(f"the model {model.name!r} does not declare what it takes: give example_inputs=")
    return [keras.KerasTensor((None, *x.shape[1:]), dtype=x.dtype.name) for x in inputs]
