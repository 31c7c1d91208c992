"""Views of Keras models: a functional model over the same layers, of which a toolkit sees one output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import Array
from metannvis_methods.models.scores import OutputScore
from metannvis_methods.models.view import View, Within

__all__ = ["before_probabilities", "layer_paths", "operations", "viewed"]


def operations(model: Any) -> Iterator[Any]:
    """Layers and bare operations of a model, those of nested models included."""
    for operation in getattr(model, "operations", None) or getattr(model, "layers", None) or ():
        yield operation
        yield from operations(operation)


def layer_paths(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Layers of a model and of the models in it, by their paths."""
    for layer in getattr(model, "layers", ()):
        path = f"{prefix}{layer.name}"
        yield path, layer
        if hasattr(layer, "layers"):
            yield from layer_paths(layer, f"{path}/")


def viewed(model: Any, view: View) -> Any:
    """The model as the view shows it; a score is an operation behind its output."""
    inputs, outputs = keras.tree.flatten(model.inputs), keras.tree.flatten(model.outputs)
    if view.before_pass is not None:  # beside the output: the layers stay where they are found by name
        outputs[view.place] = Told(view.before_pass)([outputs[view.place], inputs[0]])
    if view.constants:
        held = dict(view.constants)
        free = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for k, x in enumerate(inputs) if k not in held]
        rest = iter(free)
        given = [Held(held[k])(free[0]) if k in held else next(rest) for k in range(len(inputs))]
        inputs, outputs = free, keras.tree.flatten(keras.Model(inputs, outputs)(given))
    if view.within is not None:
        volume, axis = inputs[0], view.within.axis
        shape = (*volume.shape[:axis], *volume.shape[axis + 1 :])
        slices = keras.Input(batch_shape=shape, dtype=volume.dtype)
        outputs = keras.tree.flatten(keras.Model(inputs, outputs)([InVolume(view.within)(slices), *inputs[1:]]))
        inputs = [slices, *inputs[1:]]
    output = outputs[view.place]
    if view.logits:
        output = before_probabilities(output)
    return keras.Model(inputs, Scored(view.scores[0])(output) if view.scores else output)


class Scored(keras.layers.Layer):
    """A score worked out in NumPy, with its derivative, shape ``(N,)``."""

    def __init__(self, score: OutputScore, **options: Any) -> None:
        super().__init__(**options)
        self.score = score

    def get_config(self) -> dict[str, Any]:
        """What a copy of the layer is made from, within this process."""
        return {**super().get_config(), "score": self.score}

    def compute_output_spec(self, output: Any) -> keras.KerasTensor:
        """One number a row."""
        return keras.KerasTensor(output.shape[:1], output.dtype)

    def call(self, output: Any) -> Any:
        """Values and their derivative."""
        score = self.score

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def scored(tensor: Any) -> Any:
            def values(array: Any) -> Array:
                return score(to_numpy(array))[0]

            def derivative(cotangent: Any) -> Any:
                def found(array: Any, given: Any) -> Array:
                    return score(to_numpy(array))[1](to_numpy(given)).astype(to_numpy(array).dtype)

                grown = tf.py_function(found, [tensor, cotangent], tensor.dtype)
                grown.set_shape(tensor.shape)
                return grown

            rows = tf.py_function(values, [tensor], tensor.dtype)
            rows.set_shape(tensor.shape[:1])
            return rows, derivative

        return scored(output)


PROBABILITIES = ("softmax", "log_softmax", "sigmoid", "log_sigmoid")
#: Layers and operations that move numbers without changing them.
MOVES = ("Reshape", "Flatten", "Permute", "Squeeze", "ExpandDims", "Transpose", "GetItem")


def before_probabilities(output: Any) -> Any:
    """What goes into the softmax or the sigmoid that an output of a functional model comes from; ``None`` if it does not.

    The activation of a layer is left out of a copy of the layer that shares its weights.
    """
    operation, node, _ = output._keras_history
    source = operation._inbound_nodes[node]
    given = list(source.arguments.keras_tensors)
    kind = type(operation).__name__
    if kind in MOVES and len(given) == 1:
        before = before_probabilities(given[0])
        arguments, options = source.arguments.args, source.arguments.kwargs
        return None if before is None else operation(before, *arguments[1:], **options)
    if kind.casefold().replace("_", "") in {name.replace("_", "") for name in PROBABILITIES} and len(given) == 1:
        return given[0]
    name = getattr(getattr(operation, "activation", None), "__name__", "")
    if name not in PROBABILITIES or len(given) != 1:
        return None
    if kind == "Activation":
        return given[0]
    bare = object.__new__(type(operation))  # copy.copy() would save and load it
    changed = {"activation": keras.activations.linear, "_inbound_nodes": [], "_outbound_nodes": []}
    bare.__dict__.update({**operation.__dict__, **changed})
    return bare(given[0])


class InVolume(keras.layers.Layer):
    """Slices, shape ``(N, …)``, each in its volume, shape ``(N, …)`` with an axis more."""

    def __init__(self, within: Within, **options: Any) -> None:
        super().__init__(**options)
        self.within = within

    def get_config(self) -> dict[str, Any]:
        """What a copy of the layer is made from, within this process."""
        return {**super().get_config(), "within": self.within}

    def compute_output_spec(self, given: Any) -> keras.KerasTensor:
        """Shape of the volume, the batch as it is given."""
        return keras.KerasTensor((given.shape[0], *self.within.volume.shape[1:]), given.dtype)

    def call(self, given: Any) -> Any:
        """The volumes."""
        axis, place = self.within.axis, self.within.place
        whole = tf.cast(self.within.volume, given.dtype)
        volume = tf.repeat(whole, tf.shape(given)[0], axis=0)
        before, _, after = tf.split(volume, [place, 1, volume.shape[axis] - place - 1], axis)
        return tf.concat([before, tf.expand_dims(given, axis), after], axis)


class Told(keras.layers.Layer):
    """Its first input, and a function that is called at each pass."""

    def __init__(self, function: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def get_config(self) -> dict[str, Any]:
        """What a copy of the layer is made from, within this process."""
        return {**super().get_config(), "function": self.function}

    def compute_output_spec(self, given: Any) -> keras.KerasTensor:
        """As the first input."""
        return keras.KerasTensor(given[0].shape, given[0].dtype)

    def call(self, given: Any) -> Any:
        """Tell, and hand on."""
        try:
            self.function()
        except Exception as error:
            error._keras_call_info_injected = True  # type: ignore[attr-defined]  # it would write about tensors into the message
            raise
        return given[0]


class Held(keras.layers.Layer):
    """A tensor that is the same whatever is given, or while ``rows`` is set those rows of it."""

    def __init__(self, value: Any, **options: Any) -> None:
        super().__init__(**options)
        self.value = value
        self.rows: slice | None = None

    def get_config(self) -> dict[str, Any]:
        """What a copy of the layer is made from, within this process."""
        return {**super().get_config(), "value": self.value}

    def compute_output_spec(self, given: Any) -> keras.KerasTensor:
        """Shape and dtype of the tensor, the batch as it is given."""
        return keras.KerasTensor((given.shape[0], *self.value.shape[1:]), self.value.dtype)

    def call(self, given: Any) -> Any:
        """The tensor, or rows of it."""
        return self.value if self.rows is None else self.value[self.rows]
