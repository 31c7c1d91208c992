"""Keras models. :func:`metannvis_methods.models.registry.adapter_for` imports this, after the framework."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.models import (
    Functional,
)  # keras.Model(inputs, outputs) is one; keras has no public name for it
from metannvis_translate.frameworks.keras import flatten_model, framework

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError
from metannvis_methods.models.arrays import numbers, to_numpy
from metannvis_methods.models.base import Array
from metannvis_methods.models.keras_dropout import KerasDropout
from metannvis_methods.models.keras_leading import leading_values
from metannvis_methods.models.keras_state import fingerprint_of, layers_of, own_generators_of, state_of, variables
from metannvis_methods.models.keras_view import before_probabilities, layer_paths, operations, viewed
from metannvis_methods.models.keras_weights import weights_of
from metannvis_methods.models.structures import leaves
from metannvis_methods.models.view import View
from metannvis_methods.models.weights import Weight

__all__ = ["adapter", "quiet"]

AXES = {2: "NF", 3: "NTF", 4: "NHWC", 5: "NDHWC"}
_nodes: Callable[[Any], Any] = operator.attrgetter("_inbound_nodes")


@contextmanager
def quiet() -> Iterator[None]:
    """Without Keras' warning that a list of one input is not the input itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The structure of `inputs` doesn't match", category=UserWarning)
        yield


class KerasAdapter(KerasDropout):
    """Keras 3 models on TensorFlow."""

    key = "tensorflow"
    channels_last = True
    no_autocast = (
        "The precision of a Keras layer is settled when it is made: build the network under "
        "keras.mixed_precision.set_dtype_policy('mixed_bfloat16'), or take a method of Captum, which runs in PyTorch"
    )

    def devices(self) -> tuple[str, ...]:
        """The processor, and graphics cards by the names that PyTorch has for them."""
        return ("cpu", *(f"cuda:{k}" for k, _ in enumerate(tf.config.list_logical_devices("GPU"))))

    def on_device(self, model: Any, device: str | None) -> AbstractContextManager[None]:
        """Operations run there; weights stay where they are, and are copied for each."""
        return nullcontext() if device is None else tf.device(f"/{device.replace('cuda', 'GPU')}")

    def is_model(self, model: Any) -> bool:
        """A ``keras.Model``; a SavedModel or a ``tf_keras`` model is none."""
        return isinstance(model, keras.Model)

    def open(self, model: Any) -> tuple[Any, Mapping[str, Any]]:
        """The model itself, or a flat copy if some layers lie within others."""
        if _is_flat(model):
            return model, {layer.name: layer for layer in model.layers}
        flat, layers = flatten_model(model)
        return flat, layers

    def copies(self, model: Any) -> bool:
        """A model in which some layers lie within others, or are used twice, is copied flat."""
        return not _is_flat(model)

    def layer_name(self, model: Any, layer: Any) -> str:
        """Path of a layer of the model, nested ones included."""
        by_path = dict(layer_paths(model))
        for path, known in by_path.items():
            if known is layer:
                return path
        raise UnknownLayerError(getattr(layer, "name", f"{type(layer).__name__}(…)"), by_path)

    def float_dtype(self, model: Any) -> str | None:
        """Dtype that the model computes in."""
        dtypes = (tf.as_dtype(weight.dtype) for weight in variables(model))
        return next((dtype.name for dtype in dtypes if dtype.is_floating), keras.config.floatx())

    def as_input(self, model: Any, value: Any, index: int) -> Any:
        """A tensor of the dtype that the model's input declares, never its caller's variable."""
        declared = _declared(model)
        dtype = str(declared[index].dtype) if index < len(declared) else self.float_dtype(model)
        return tf.constant(to_numpy(value), dtype=dtype)

    def as_activation(self, model: Any, value: Any) -> Any:
        """A tensor of the dtype that the model computes in."""
        return tf.constant(to_numpy(value), dtype=self.float_dtype(model))

    def as_index(self, model: Any, value: Any) -> Any:
        """A tensor of int64."""
        return tf.constant(to_numpy(value), dtype="int64")

    def same_kind(self, tensor: Any, array: Array) -> Any:
        """A tensor of that dtype."""
        return tf.constant(array, dtype=tensor.dtype)

    def is_floating(self, tensor: Any) -> bool:
        """Whether a tensor can have a gradient."""
        return bool(tensor.dtype.is_floating)

    def check_inputs(self, model: Any, values: Sequence[Any]) -> None:
        """Number and shapes, as the model declares them; there have to be weights, which a run would draw."""
        if getattr(model, "built", True) is False and not model.weights:
            raise InvalidArgumentError(
                f"the model {model.name!r} has not been built, so it has no weights yet: call it once on an input, or load them"
            )
        declared = _declared(model)
        if not declared:
            return
        if len(values) != len(declared):
            names = ", ".join(str(tensor.name) for tensor in declared)
            raise InvalidArgumentError(f"the model has {len(declared)} inputs ({names}), not {len(values)}")
        for tensor, value in zip(declared, values, strict=True):
            wanted, shape = tuple(tensor.shape), tuple(np.shape(to_numpy(value)))
            fits = len(wanted) == len(shape) and all(w in (None, s) for w, s in zip(wanted, shape, strict=True))
            if not fits:
                axis = " (the first axis counts samples)" if len(shape) == len(wanted) - 1 else ""
                raise InvalidArgumentError(f"input {tensor.name!r} has shape {wanted}{axis}, not {shape}")

    def input_names(self, model: Any) -> tuple[str, ...]:
        """Keys of a model that takes a dict, else the names of its input tensors."""
        structure = _structure(model)
        if isinstance(structure, Mapping) and all(hasattr(item, "shape") for item in structure.values()):
            return tuple(keras.tree.flatten({key: key for key in structure}))
        if self.is_model(model):
            return tuple(str(tensor.name) for tensor in _declared(model))
        return tuple(port.name for port in framework.declared_inputs(model)) if hasattr(model, "signatures") else ()

    def predict(self, model: Any, inputs: Sequence[Any]) -> list[Array]:
        """The model's outputs; a model that refuses its inputs is the caller's mistake."""
        return [array for _, array in self.outputs(model, inputs)]

    def outputs(self, model: Any, inputs: Sequence[Any]) -> list[tuple[str, Array]]:
        """Tensors in whatever the model returns, with their paths, in the order in which Keras flattens them."""
        try:
            with quiet():
                output = model(_packed(model, inputs), training=False)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            given = ", ".join(f"{tuple(tensor.shape)} {tensor.dtype.name}" for tensor in inputs)
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InvalidArgumentError(
                f"the model does not run on inputs of shape {given}, the first axis counting samples: {first}"
            ) from error
        found = list(leaves(output, tf.is_tensor, by_key=True))
        own = list(getattr(model, "output_names", None) or ())
        if isinstance(output, (list, tuple)) and len(own) == len(found):  # a list says nothing of its members
            found = [(name, tensor) for name, (_, tensor) in zip(own, found, strict=True)]
        return [(path, to_numpy(tensor)) for path, tensor in found]

    def returns(self, model: Any) -> tuple[tuple[int, ...], ...] | None:
        """As the functional graph says."""
        returned = getattr(getattr(model, "_functional", None) or model, "_outputs_struct", None)
        shape = tuple(returned.shape) if isinstance(returned, keras.KerasTensor) else ()
        return (shape[1:],) if shape and None not in shape[1:] else None

    def ends_in_probabilities(self, model: Any, place: int, inputs: Sequence[Any]) -> bool:
        """As the last operation, or its activation, says."""
        return before_probabilities(keras.tree.flatten(model.outputs)[place]) is not None

    def layer_gradients(self, model: Any, layers: Sequence[Any], inputs: Sequence[Any]) -> list[Array | None]:
        """By a gradient tape over the functional graph."""
        outputs = [layer.output for layer in layers]
        seen = keras.Model(model.inputs, [keras.tree.flatten(model.outputs)[0], *outputs])
        with tf.GradientTape() as tape:
            tensors = [tf.convert_to_tensor(x) for x in inputs]
            tape.watch([x for x in tensors if x.dtype.is_floating])
            with quiet():
                output, *returned = seen(tensors, training=False)
            score = tf.reduce_sum(tf.reduce_max(tf.reshape(output, (len(output), -1)), axis=1))
        found = tape.gradient(score, returned)
        return [None if gradient is None else to_numpy(gradient) for gradient in found]

    def layers_of(self, model: Any) -> Mapping[str, Any]:
        """Layers by name."""
        return {layer.name: layer for layer in model.layers}

    def weights(self, model: Any) -> Mapping[str, Sequence[Weight]]:
        """Variables that are no statistics."""
        return weights_of(model)

    def kinds_of(self, model: Any) -> frozenset[str]:
        """Classes of layers and operations, nested ones included, and functions that are the activation of one."""
        found = set()
        for operation in operations(model):
            function = getattr(operation, "activation", None)
            found |= {type(operation).__name__.casefold(), str(getattr(function, "__name__", "")).casefold()}
        return frozenset(found - {""})

    def view(self, model: Any, view: View) -> Any:
        """A functional model over the same layers; a score is an operation behind its output."""
        return viewed(model, view)

    def scored(self, function: Callable[[Any], Any], output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The function is called with a TensorFlow tensor, eagerly."""
        tensor = tf.constant(output)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(tensor)
            value = function(tensor)
            value = tf.convert_to_tensor(value if tf.is_tensor(value) else numbers(value))

        def derivative(cotangent: Array) -> Array:
            found = tape.gradient(value, tensor, output_gradients=tf.constant(cotangent))
            if found is None:
                raise InvalidArgumentError(
                    "the target function has no gradient: compute it from the output with TensorFlow or Keras, or "
                    "take a method that needs predictions only"
                )
            return to_numpy(found)

        return to_numpy(value), derivative

    def leading_values(self, model: Any, inputs: Sequence[Array], place: int) -> list[tuple[Array, Array | None]]:
        """Of a model that is one of Keras', along its graph."""
        if not self.is_model(model):
            return []
        with self.guarded(model):
            return leading_values(model, [self.as_input(model, x, k) for k, x in enumerate(inputs)], place)

    def input_axes(self, model: Any, shape: Sequence[int | None]) -> str:
        """Channels last."""
        return AXES.get(len(shape), super().input_axes(model, shape))

    def misread(self, model: Any) -> str:
        """Toolkits take the last axis for the channels; layers, or Keras as a whole, can be set to have them first."""
        for layer in layers_of(model):
            if getattr(layer, "data_format", None) == "channels_first" and type(layer).__name__ != "Flatten":
                return f"layer {layer.name!r} has the channels first, and toolkits take the last axis for them"
        return ""

    def fingerprint(self, model: Any) -> str | None:
        """Weights, and the layers with their activations and plain attributes."""
        return fingerprint_of(model)

    def own_generators(self, model: Any, seed: int | None) -> Callable[[], None]:
        """Those of dropout and noise: with a seed the first starts as ``SeedGenerator(seed)``, the next from ``seed + 1``."""
        return own_generators_of(model, seed)

    def structure(self, model: Any) -> Hashable:
        """Layers by identity."""
        return tuple((path, id(layer)) for path, layer in layer_paths(model)) or None

    def state(self, model: Any) -> Callable[[], None]:
        """What a toolkit may edit: activations, whether weights can be trained, statistics (``training=True``)."""
        return state_of(model)

    @contextmanager
    def guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Without a warning of Keras' that says nothing; afterwards everything is back."""
        put_back = self.state(model)
        try:
            with quiet():
                yield put_back
        finally:
            put_back()

    @contextmanager
    def lightly_guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Without a look at layers and statistics: no layer of a translated model writes any, called for inference."""
        with quiet():
            yield lambda: None


def _structure(model: Any) -> Any:
    """How a functional model takes its inputs: a tensor, a list or a dict; ``None`` if it does not say."""
    return getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None)


def _packed(model: Any, inputs: Sequence[Any]) -> Any:
    """Input tensors in the structure that the model takes."""
    structure = _structure(model)
    if isinstance(structure, Mapping) and len(keras.tree.flatten(structure)) == len(inputs):
        return keras.tree.pack_sequence_as(structure, list(inputs))
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _declared(model: Any) -> list[Any]:
    """Input tensors of a model that has any before it is called."""
    inputs = getattr(model, "inputs", None)
    return list(keras.tree.flatten(inputs)) if inputs is not None else []


def _is_flat(model: Any) -> bool:
    """Whether a functional graph over the model's own layers reaches each of them, each used once."""
    if type(model).call not in (keras.Sequential.call, Functional.call) or not _declared(model):
        return False
    layers = model.layers
    kinds = set(map(type, layers))
    return not any(issubclass(kind, keras.Model) for kind in kinds) and set(map(len, map(_nodes, layers))) <= {1}


adapter = KerasAdapter()
