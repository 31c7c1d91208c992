"""Model modifiers that do what those of tf-keras-vis are meant to."""

from __future__ import annotations

from typing import Any

from metannvis_methods.toolsets.load import import_quietly

__all__ = ["linear_outputs", "own_modifiers"]


def own_modifiers(modifiers: Any) -> list[Any]:
    """The modifiers, ``ReplaceToLinear`` replaced by :func:`linear_outputs`."""
    theirs = import_quietly("tf_keras_vis.utils.model_modifiers").ReplaceToLinear
    given = list(modifiers) if isinstance(modifiers, (list, tuple)) else [modifiers]
    return [linear_outputs if isinstance(item, theirs) or item is theirs else item for item in given]


def linear_outputs(model: Any) -> Any:
    """The model without the activations of its outputs.

    ``ReplaceToLinear`` sets ``activation`` on each output layer, which a ``layers.Softmax`` does not look at:
    it then changes nothing and says nothing. Here such a layer is cut off.
    """
    import keras

    outputs = []
    for output in model.outputs:
        operation = output._keras_history.operation
        if type(operation).__name__ in ("Softmax", "LogSoftmax"):
            output = operation.input
        elif hasattr(operation, "activation"):
            operation.activation = keras.activations.linear
        outputs.append(output)
    return keras.Model(model.inputs, outputs)
