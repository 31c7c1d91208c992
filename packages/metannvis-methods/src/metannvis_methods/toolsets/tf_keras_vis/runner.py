"""tf-keras-vis' runner, which runs every method of tf-keras-vis."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Target
from metannvis_methods.toolsets.cam_formulas import FORMULAS
from metannvis_methods.toolsets.load import import_quietly, load_class
from metannvis_methods.toolsets.tf_keras_vis.activation_maximization import ascent_arguments
from metannvis_methods.toolsets.tf_keras_vis.class_activation_maps import finished
from metannvis_methods.toolsets.tf_keras_vis.modifiers import modified
from metannvis_methods.toolsets.tf_keras_vis.objects import function_of
from metannvis_methods.toolsets.tf_keras_vis.row_bounds import in_pieces
from metannvis_methods.toolsets.tf_keras_vis.saliency import saliency
from metannvis_methods.toolsets.tf_keras_vis.score_cam import score_cam

__all__ = ["run"]

#: Methods that differentiate the score of the inputs, which is the first that they work out.
DIFFERENTIATED = ("saliency", "grad_cam", "grad_cam++", "layer_cam")


def run(call: MethodCall) -> MethodOutput:
    """Construct the method on a view of the model and call it.

    ``clone`` is always true, so that a modifier edits copies of the layers.
    """
    cls = load_class(call.spec)
    init, arguments = call.init_arguments, call.call_arguments
    own = _view(call, init)
    view, init["model_modifier"] = modified(own, init.get("model_modifier"))  # which may hold copies of the layers
    init["clone"] = True
    if (
        call.spec.argument("unconnected_gradients") is not None
    ):  # what does not depend on an input has a derivative of zero
        arguments.setdefault("unconnected_gradients", "zero")
    for name in ("gradient_modifier", "activation_modifier"):
        if name in arguments:
            arguments[name] = function_of(arguments[name])
    if arguments.get("score") is None:
        arguments["score"] = _score(view, call.target)
    if isinstance(arguments.get("seed_input"), tuple):
        arguments["seed_input"] = list(arguments["seed_input"])
    count = len(call.inputs[0]) if call.inputs else 0
    in_parts = call.spec.family != "cam" and call.batch_size is not None and count > call.batch_size
    if callable(arguments["score"]):
        heard = _runs_the_inputs(call, init, arguments)
        arguments["score"] = _telling(arguments["score"], call, heard=heard, counts=not in_parts)
    _name_layer(call, own, arguments)
    if call.spec.family == "cam":
        return finished(_map(cls, view, init, call, arguments), call, arguments)
    method = cls(view, **init)
    if call.spec.family == "optimization":
        arguments |= ascent_arguments(method.model, arguments, call)
    if call.batch_size is not None:  # draws are of all samples, and only a pass through the model is bounded
        passed = call.passed if in_parts and call.spec.family != "optimization" else None  # an ascent tells its steps
        method.model = in_pieces(method.model, call.batch_size, passed or (lambda rows: None))
    if call.spec.family == "optimization":
        values = method(**arguments)
        return MethodOutput(tuple(values) if isinstance(values, list) else values)
    return saliency(method, arguments)


def _view(call: MethodCall, init: dict[str, Any]) -> Any:
    """A functional model over the same layers: what is kept on a model object (a compiled ``predict``) stays there.

    Methods that do nothing but call the model are given the model itself: to make another one of it takes a part of the run.
    """
    import keras
    from keras.src.models import Functional

    model: Any = call.model._functional if type(call.model) is keras.Sequential else call.model
    only_calls = call.spec.key in DIFFERENTIATED and not init.get("model_modifier")
    if only_calls and type(model) is Functional and not isinstance(model._inputs_struct, dict):
        return model
    return keras.Model(call.model.inputs, call.model.outputs)


def _runs_the_inputs(call: MethodCall, init: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether the first score is of the model's output for the inputs as they are."""
    if call.hear is None or init.get("model_modifier"):
        return False
    plain = not arguments.get("smooth_samples") and not arguments.get("training")
    return plain and call.spec.key in DIFFERENTIATED


def _telling(score: Callable[[Any], Any], call: MethodCall, *, heard: bool, counts: bool) -> Callable[[Any], Any]:
    """A score that tells the first output that it gets, if that is ``heard``, and the rows of each, if it ``counts``."""
    passed = call.passed if counts else None
    if (not heard and passed is None) or call.spec.key not in (*DIFFERENTIATED, "smooth_grad"):
        return score
    told: list[Any] = []

    def telling(output: Any) -> Any:
        if heard and not told and call.hear is not None:
            told.append(output)
            call.hear(output)
        if passed is not None:
            passed(len(output))
        return score(output)

    return telling


def _map(cls: Any, view: Any, init: dict[str, Any], call: MethodCall, arguments: dict[str, Any]) -> Any:
    """A class activation map over the layer's places, neither enlarged nor scaled.

    tf-keras-vis enlarges it to every input, of which a table has no places.
    """
    import keras

    method, bare = cls(view, **init), {**arguments, "expand_cam": False, "normalize_cam": False}
    # of indices the toolkit's tape watches nothing, and so has no gradients of what follows them
    indices = any(not tensor.dtype.is_floating for tensor in call.inputs)
    if (call.arrange is not None or (indices and call.layer is not None)) and call.spec.key in FORMULAS:
        return _by_formula(method, call, bare)
    if call.spec.key != "score_cam":
        return method(**bare)
    if call.layer is None:  # a number, which is the toolkit's own way to count layers
        method.model.predict = functools.partial(method.model.predict, verbose=0)  # it would print a bar
        return method(**bare)
    layer = call.spec.by_role("layer")
    cam = score_cam(method.model, method.model.get_layer(arguments[layer.name if layer else ""]), call, bare)
    modify = bare.get("activation_modifier", keras.activations.relu)
    return cam if modify is None else modify(cam)


def _by_formula(method: Any, call: MethodCall, arguments: dict[str, Any]) -> Any:
    """The map of a layer whose tokens, or channels, lie otherwise than tf-keras-vis takes them to, or that follows indices."""
    import keras
    import tensorflow as tf

    named = call.spec.by_role("layer")
    layer = method.model.get_layer(arguments[named.name if named else ""])
    model = keras.Model(method.model.inputs, [*method.model.outputs, layer.output])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        inputs = [tf.convert_to_tensor(tensor) for tensor in call.inputs]
        watched = [*inputs, *(weight.value for weight in model.weights)]
        tape.watch([tensor for tensor in watched if tensor.dtype.is_floating])
        *outputs, activations = model(inputs, training=bool(arguments.get("training", False)))
        scores = arguments["score"](outputs[0])
        scores = tf.stack(list(scores)) if isinstance(scores, (list, tuple)) else scores
    gradients = tape.gradient(scores, activations, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    modify = arguments.get("gradient_modifier", keras.activations.relu if call.spec.key == "layer_cam" else None)
    gradients = gradients if modify is None else modify(gradients)
    after = arguments.get("activation_modifier", keras.activations.relu)
    arrange = call.arrange or to_numpy
    values = [arrange(to_numpy(tensor)) for tensor in (activations, gradients)]
    cam = FORMULAS[call.spec.key](values[0], values[1], to_numpy(scores), after is not None)
    return cam if after is None else after(cam)


def _name_layer(call: MethodCall, own: Any, arguments: dict[str, Any]) -> None:
    """Give the layer by name, since a cloned model does not know the object, and seek no other one."""
    argument = call.spec.by_role("layer")
    if argument is None or call.layer is None:
        return
    shape = call.layer.output.shape
    if len(shape) < 3:
        raise InvalidArgumentError(
            f"layer {call.layer.name!r} returns shape {tuple(shape)}; {call.spec.key} needs one that has "
            "places beside channels"
        )
    if all(layer is not call.layer for layer in own.layers) and call.spec.family == "cam":
        raise InvalidArgumentError(f"what is explained does not depend on layer {call.layer.name!r}: name another one")
    arguments[argument.name] = call.layer.name
    arguments.setdefault("seek_penultimate_conv_layer", False)


def _check_positions(positions: Sequence[Any], shape: tuple[int | None, ...]) -> None:
    """Refuse outputs that there are not; nobody else has looked where a run has no inputs."""
    for item in positions:
        # a number is a channel, wherever in the output
        places, sizes = (item, shape[1:]) if isinstance(item, tuple) else ((item,), shape[-1:])
        if any(size is not None and not -size <= k < size for k, size in zip(places, sizes, strict=False)):
            raise InvalidArgumentError(f"target {item!r} is out of range: the output has shape {shape}")


def _score(model: Any, target: Target) -> Callable[[Any], Any]:
    """A score function for a target."""
    import tensorflow as tf

    scores = import_quietly("tf_keras_vis.utils.scores")
    if target is None:
        shape = tuple(model.outputs[0].shape)
        if len(model.outputs) == 1 and len(shape) == 1:
            return lambda output: output
        if len(model.outputs) == 1 and shape[1:] == (1,):
            return scores.CategoricalScore([0])
        raise MissingArgumentError(f"the model's output has shape {shape}: give target=…, which output is meant")
    several = isinstance(target, list)
    positions: list[Any] = list(target) if isinstance(target, list) else [target]
    if len(model.outputs) == 1:
        _check_positions(positions, tuple(model.outputs[0].shape))
    if not isinstance(positions[0], tuple):
        return scores.CategoricalScore(positions)

    def at_position(output: Any) -> Any:
        if several:
            return tf.stack([output[(sample, *place)] for sample, place in enumerate(positions)])
        return output[(slice(None), *positions[0])]

    return at_position
