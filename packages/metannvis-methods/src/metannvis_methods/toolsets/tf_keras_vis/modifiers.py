"""Model modifiers of tf-keras-vis, which do what they are meant to on any form of an activation.

They make a new functional model over copies of the layers that share their weights; the model given stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models import Functional  # keras.Model(inputs, outputs) is one; keras has no public name for it

from metannvis_methods.errors import InvalidArgumentError, UnfitWarning
from metannvis_methods.models.keras_view import MOVES, Scored, Told
from metannvis_methods.registry.option_words import ChosenWord
from metannvis_methods.running.notices import tell
from metannvis_methods.toolsets.load import import_quietly

__all__ = ["modified"]

#: Operations that are an activation and nothing else, as classes of layers and of bare operations are called.
ACTIVATIONS = {
    "relu", "relu6", "leakyrelu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid", "softmax", "logsoftmax",
    "logsigmoid", "hardsigmoid", "hardtanh", "softsign", "celu", "mish", "exponential", "prelu",
}  # fmt: skip
SAME = {"swish": "silu"}


def modified(model: Any, modifiers: Any) -> tuple[Any, list[Any]]:
    """The model after the modifiers that come first and are words, or the toolkit's own, and the modifiers that are left.

    Those that are left, from the first function of the caller's on, may edit layers in place: the toolkit hands them a clone.
    """
    given = [] if modifiers is None else modifiers if isinstance(modifiers, (list, tuple)) else [modifiers]
    rest = list(map(_own, given))
    while rest and isinstance(rest[0], _Own):
        model = rest.pop(0)(model)
    return model, rest


class _Own:
    """A modifier that makes a new model and leaves the one given as it is."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self, model: Any) -> Any:
        return self.function(model, *self.arguments)


def _own(modifier: Any) -> Any:
    """A modifier by word, or one of the toolkit's that misses some forms of an activation, as one of ours."""
    theirs = import_quietly("tf_keras_vis.utils.model_modifiers")
    if isinstance(modifier, ChosenWord):
        if modifier.name == "linear":
            return _Own(linear_outputs)
        if modifier.name == "extract":
            return _Own(extracted, modifier.options["layer"])
        names = modifier.options.get("target_activations", ("relu",))
        return _Own(guided, (names,) if isinstance(names, str) else tuple(names))
    if isinstance(modifier, theirs.ReplaceToLinear):
        return _Own(linear_outputs)
    if type(modifier) is theirs.GuidedBackpropagation:
        names = [getattr(function, "__name__", "") for function in modifier.target_activations]
        return _Own(guided, tuple(names)) if all(names) else modifier
    return modifier


def linear_outputs(model: Any) -> Any:
    """The model without the activations of its outputs.

    ``ReplaceToLinear`` sets ``activation`` on each output layer, which a ``layers.Softmax`` does not look at: it then changes
    nothing and says nothing.
    """
    last = {id(_activation_of(output)) for output in model.outputs}

    def replaced(operation: Any) -> Any:
        if id(operation) not in last:
            return _twin(operation)
        if _is_activation(operation):
            return lambda value, *_, **__: value
        if hasattr(operation, "activation"):
            return _twin(operation, activation=keras.activations.linear)
        return _twin(operation)

    return _rebuilt(model, replaced)


def _activation_of(output: Any) -> Any:
    """The operation that an output comes from, behind those that only move numbers and a score of ours."""
    while True:
        operation, node, place = output._keras_history
        if isinstance(operation, Functional):
            output = operation.outputs[place]
            continue
        given = list(operation._inbound_nodes[node].arguments.keras_tensors)
        passes = type(operation).__name__ in MOVES or isinstance(operation, (Scored, Told))
        if not passes or not given:
            return operation
        output = given[0]


def guided(model: Any, names: Sequence[str] = ("relu",)) -> Any:
    """The model with activations that let only positive gradients of positive inputs through (Springenberg et al., 2014).

    ``GuidedBackpropagation`` changes layers with ``activation="relu"``, and passes by ``layers.ReLU`` and ``keras.ops.relu``.
    """
    wanted, changed = {_plain(name) for name in names}, []

    def replaced(operation: Any) -> Any:
        twin = _twin(operation)
        if _is_activation(operation) and _kind(operation) in wanted:
            changed.append(operation.name)
            policy = getattr(operation, "dtype_policy", None) or operation.output.dtype
            return keras.layers.Activation(_guided(twin), name=operation.name, dtype=policy)
        function = vars(operation).get("activation")
        if function is not None and _plain(getattr(function, "__name__", "")) in wanted:
            changed.append(operation.name)
            return _twin(operation, activation=_guided(function))
        return twin

    found = _rebuilt(model, replaced)
    if not changed:
        tell(
            f"guided backpropagation changes the gradients of {', '.join(names)}, and the model has none: what it gives is the "
            "plain gradient",
            UnfitWarning,
        )
    return found


def _guided(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def activation(x: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return tf.cast(upstream > 0, upstream.dtype) * tf.cast(x > 0, upstream.dtype) * upstream

        return function(x), gradient

    return activation


def extracted(model: Any, layer: Any) -> Any:
    """The model up to a layer, whose output is returned."""
    try:
        found = model.get_layer(getattr(layer, "name", layer))
        output = found.output
    except (ValueError, AttributeError) as error:
        raise InvalidArgumentError(
            f"model_modifier: {layer!r} is no layer of the model that the others left"
        ) from error
    if isinstance(output, (list, tuple, dict)):
        raise InvalidArgumentError(
            f"model_modifier: layer {found.name!r} returns several tensors; name one that returns one"
        )
    return keras.Model(model.inputs, output)


def _is_activation(operation: Any) -> bool:
    return _kind(operation) in ACTIVATIONS


def _kind(operation: Any) -> str:
    """Which activation an operation is; a ReLU with a bound, a slope or a threshold is none of that name."""
    kind = _plain(type(operation).__name__)
    if kind != "relu":
        return kind
    bound, slope, threshold = (getattr(operation, name, None) for name in ("max_value", "negative_slope", "threshold"))
    if slope or threshold or bound not in (None, 6):
        return ""
    return "relu" if bound is None else "relu6"


def _plain(name: str) -> str:
    plain = name.casefold().replace("_", "")
    return SAME.get(plain, plain)


def _twin(operation: Any, **changed: Any) -> Any:
    """A shallow copy of a layer or operation that shares its weights and has no history."""
    twin = object.__new__(type(operation))  # copy.copy() would save and load it
    state = {**vars(operation), "_inbound_nodes": [], "_outbound_nodes": [], **changed}
    if isinstance(state.get("_losses"), list):
        state["_losses"] = []
    twin.__dict__.update(state)
    return twin


def _rebuilt(model: Any, replaced: Callable[[Any], Any]) -> Any:
    """A model over what ``replaced`` makes of each operation, the inputs named as they were."""
    made: dict[int, Any] = {}

    def once(operation: Any) -> Any:
        if id(operation) not in made:
            nested = isinstance(operation, Functional)
            made[id(operation)] = _rebuilt(operation, replaced) if nested else replaced(operation)
        return made[id(operation)]

    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
    outputs = model._run_through_graph(inputs, operation_fn=once)
    return keras.Model(inputs, keras.tree.flatten(outputs))
