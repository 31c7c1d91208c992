"""TensorFlow graphs that are no Keras layer graph: what they take, and running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_translate.errors import InvalidModelError, MissingArgumentError
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import is_a

__all__ = ["Signature", "call_graph", "signature_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Signature:
    """A function of flat tensors, and what it takes.

    Attributes
    ----------
    call
        ``call(*tensors)`` gives a flat tuple of tensors.
    names, specs
        Of the inputs; a spec is a ``tf.TensorSpec``.
    output_names
        Empty if the outputs have none.
    """

    call: Any
    names: tuple[str, ...]
    specs: tuple[Any, ...]
    output_names: tuple[str, ...] = ()


def signature_of(model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None = None) -> Signature:
    """What a TensorFlow object computes, as a function of flat tensors.

    Raises
    ------
    MissingArgumentError
        It has no signature, and no example inputs are given.
    """
    tf = require("tensorflow")
    signatures = getattr(model, "signatures", None)
    if signatures:
        function = signatures["serving_default"] if "serving_default" in signatures else next(iter(signatures.values()))
        _, named = function.structured_input_signature
        names = tuple(sorted(named))
        outputs = tuple(sorted(function.structured_outputs))

        def serve(*tensors: Any) -> Any:
            found = function(**dict(zip(names, tensors, strict=True)))
            return tuple(found[name] for name in outputs)

        return Signature(serve, names, tuple(named[name] for name in names), outputs)
    if is_a(model, "tf_keras.src.engine.training.Model") and getattr(model, "inputs", None):
        specs = tuple(tf.TensorSpec(x.shape, x.dtype) for x in model.inputs)

        def predict(*tensors: Any) -> Any:
            return _flat(model(tensors[0] if len(tensors) == 1 else list(tensors), training=False))

        return Signature(predict, tuple(model.input_names), specs, tuple(model.output_names))
    specs = _specs(model, inputs)
    return Signature(lambda *tensors: _flat(model(*tensors)), tuple(f"input_{k + 1}" for k in range(len(specs))), specs)


def call_graph(signature: Signature, tensors: Sequence[Any]) -> Any:
    """What the function returns.

    Raises
    ------
    InvalidModelError
        TensorFlow stops in it: shapes that do not belong together, more memory than there is.
    """
    tf = require("tensorflow")
    try:
        return signature.call(*tensors)
    except tf.errors.OpError as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise InvalidModelError(
            f"the TensorFlow graph cannot be run on inputs of the shapes {shapes}: {' '.join(str(error).split())[:400]}"
        ) from error


def _flat(structure: Any) -> tuple[Any, ...]:
    return tuple(require("tensorflow").nest.flatten(structure))


def _specs(model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> tuple[Any, ...]:
    tf = require("tensorflow")
    function = type(model).__call__ if callable(model) and not hasattr(model, "input_signature") else model
    declared = getattr(function, "input_signature", None) or getattr(model, "input_signature", None)
    if declared is None and hasattr(model, "structured_input_signature"):
        declared = model.structured_input_signature[0]
    if declared:
        return tuple(spec for spec in declared if isinstance(spec, tf.TensorSpec))
    if inputs is None or not len(inputs):
        raise MissingArgumentError(
            "this TensorFlow object has no signature that says what it takes: give example_inputs=, or an input_signature= to "
            "its tf.function"
        )
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    return tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays)
