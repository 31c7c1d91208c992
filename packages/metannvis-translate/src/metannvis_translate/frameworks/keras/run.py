"""Model runs in Keras and TensorFlow: eagerly, in inference mode, layer by layer if layers are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError, UnknownFrameworkError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.float64 import in_double
from metannvis_translate.frameworks.keras.masks import quiet_masks
from metannvis_translate.frameworks.keras.tf_graphs import call_graph, signature_of
from metannvis_translate.frameworks.protocol import Cotangents, Run
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import class_names, is_a

__all__ = ["KERAS_MODEL", "checked", "from_array", "run_model", "to_array"]

Array = np.ndarray[Any, Any]
KERAS_MODEL = "keras.src.models.model.Model"


def to_array(value: Any) -> Array:
    """A tensor as NumPy.

    Raises
    ------
    InvalidArgumentError
        It is symbolic and has no values.
    """
    try:
        return np.asarray(value)
    except NotImplementedError as error:
        raise InvalidArgumentError(
            f"{getattr(value, 'name', 'a tensor')} is symbolic: it stands in a graph that is being built (tf.Graph, "
            "tf.function) and has no values yet; give an array"
        ) from error


def from_array(array: Array) -> Any:
    """A tensor of TensorFlow with the array's values; of long doubles, which it has none of, double precision."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return require("tensorflow").convert_to_tensor(array)


def checked(model: Any) -> Any:
    """The model, if it is one of Keras on TensorFlow."""
    keras = require("keras")
    backend = keras.config.backend()
    if backend != "tensorflow" and is_a(model, KERAS_MODEL):
        raise UnknownFrameworkError(
            f"this Keras model runs on Keras' {backend} backend, and only its TensorFlow backend is supported. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported and load the model again."
        )
    if not is_a(model, KERAS_MODEL):
        raise UnsupportedOperatorError(class_names(model)[0], reason="this can be done with Keras 3 models only")
    return model


def run_model(
    model: Any,
    inputs: Sequence[Array],
    *,
    layers: Sequence[str] = (),
    cotangents: Cotangents | None = None,
) -> Run:
    """See :meth:`~metannvis_translate.frameworks.Framework.run`."""
    tf, keras = require("tensorflow"), require("keras")
    from metannvis_translate.frameworks.keras.graph import functional_of

    is_keras = is_a(model, KERAS_MODEL)
    function = functional_of(checked(model)) if is_keras and model.built else None
    signature = None if is_keras else signature_of(model, inputs)
    dtypes = [x.dtype for x in (function.inputs if function is not None else signature.specs if signature else ())]
    tensors = [from_array(np.asarray(array)) for array in inputs]
    if dtypes and len(dtypes) != len(tensors):
        raise InvalidArgumentError(f"the model takes {len(dtypes)} inputs, {len(tensors)} were given")
    tensors = [tf.cast(x, dtype) for x, dtype in zip(tensors, dtypes, strict=True)] if dtypes else tensors
    taped = [k for k, x in enumerate(tensors) if x.dtype.is_floating] if cotangents is not None else []
    seen: dict[str, Any] = {}
    # weights are not on the tape, nor is anything if no gradient is asked for: values are let go as soon as they are used
    with tf.GradientTape(watch_accessed_variables=False) as tape, _stateless(keras), quiet_masks(), in_double(model):
        for k in taped:
            tape.watch(tensors[k])
        if signature is not None:
            structure = call_graph(signature, tensors)
        elif layers or (taped and function is not None):  # one by one, it lets values go that a whole model keeps
            structure = _recorded(model, tensors, set(layers), seen)
        else:
            structure = model(_structured(function, tensors), training=False)
        outputs = keras.tree.flatten(structure)
    gradients: list[Array | None] | None = None
    if cotangents is not None:
        weights = cotangents([to_array(x) for x in outputs]) if callable(cotangents) else cotangents
        gradients = _gradients(tape, outputs, tensors, taped, weights)
    return Run(
        [to_array(x) for x in outputs],
        {name: to_array(x) for name, x in seen.items()},
        gradients,
    )


def _recorded(model: Any, tensors: Sequence[Any], wanted: set[str], seen: dict[str, Any]) -> Any:
    """Outputs of a model, called layer by layer; the wanted layers' outputs go into ``seen``."""
    tf, keras = require("tensorflow"), require("keras")
    from metannvis_translate.frameworks.keras.graph import Call, Walk, is_layer, numbered

    def note(call: Call, outputs: Any) -> None:
        for k, value in enumerate(keras.tree.flatten(outputs)):
            name = numbered(call.name, 1, k)
            if name in wanted:
                seen[name] = value

    def leaf(call: Call) -> Any:
        kwargs = dict(call.kwargs)
        if is_layer(call.operation) and getattr(call.operation, "_call_has_training_arg", False):
            kwargs["training"] = False
        outputs = call.operation(*call.args, **kwargs)
        note(call, outputs)
        return outputs

    def weight(layer: Any, variable: Any) -> Any:
        is_float = layer.autocast and "float" in variable.dtype
        return tf.cast(variable.value, layer.compute_dtype if is_float else variable.dtype)

    walk = Walk(
        leaf=leaf,
        is_value=tf.is_tensor,
        spec=lambda x: ((None, *x.shape[1:]), keras.backend.standardize_dtype(x.dtype)),
        cast=lambda x, dtype: tf.cast(x, dtype),
        parent=note,
        leaves_mask=True,
        weight=weight,
    )
    return walk.model(model, tensors)


def _structured(function: Any, tensors: Sequence[Any]) -> Any:
    """Flat inputs in the structure that a model takes."""
    if function is None:
        return tensors[0] if len(tensors) == 1 else list(tensors)
    return require("keras").tree.pack_sequence_as(function._inputs_struct, list(tensors))


@contextmanager
def _stateless(keras: Any) -> Iterator[None]:
    """Keep what layers would note down about a call (losses, seeds) out of the caller's model."""
    with keras.StatelessScope():
        yield


def _gradients(
    tape: Any,
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    taped: Sequence[int],
    cotangents: Sequence[Array],
) -> list[Array | None]:
    tf = require("tensorflow")
    pairs = [(y, tf.cast(g, y.dtype)) for y, g in zip(outputs, cotangents, strict=True) if y.dtype.is_floating]
    found = tape.gradient(
        [y for y, _ in pairs], [inputs[k] for k in taped], [g for _, g in pairs], unconnected_gradients="zero"
    )
    result: list[Array | None] = [None] * len(inputs)
    for k, gradient in zip(taped, found, strict=True):
        result[k] = np.asarray(tf.convert_to_tensor(gradient))
    return result
