"""Score-CAM, by its formula where tf-keras-vis departs from it: one output, double precision, tables beside images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.tf_keras_vis.class_activation_maps import enlarged, like_images

__all__ = ["score_cam"]

Array = np.ndarray[Any, Any]
#: What keeps the scaling of a channel that is the same everywhere from dividing by zero, as in tf-keras-vis.
EPSILON = 1e-7
#: Rows of a pass, as in tf-keras-vis.
BATCH = 32


def score_cam(view: Any, layer: Any, call: MethodCall, arguments: Mapping[str, Any]) -> Array:
    """A layer's channels, weighted by the output for the inputs masked with each (Wang et al., 2019, arXiv:1910.01279).

    Of several classes the score is their softmax, and weights the channels, as in tf-keras-vis. A single output has no
    softmax over classes: its scores weight the channels by their softmax over channels, as in algorithm 1 of the paper.

    Returns
    -------
    numpy.ndarray
        Shape ``(N, …)``, the layer's places; neither rectified nor enlarged nor scaled.
    """
    import keras
    import tensorflow as tf

    inputs = [to_numpy(tensor) for tensor in call.inputs]
    activations = to_numpy(keras.Model(view.inputs, layer.output)(_packed(call.inputs), training=False))
    if activations.dtype.itemsize < 4:  # mixed precision
        activations = activations.astype(np.float32)
    activations = activations if call.arrange is None else call.arrange(activations)
    activations = _most_varied(activations, arguments.get("max_N"))
    count, channels = len(activations), activations.shape[-1]
    images = like_images(inputs, activations.ndim - 1)
    if not images:
        raise InvalidArgumentError(
            f"score_cam masks an input with the channels of layer {layer.name!r}, which have {activations.ndim - 2} axes of "
            "space, and no input has as many"
        )
    single = int(np.prod(view.outputs[0].shape[1:] or (1,))) == 1
    masks = {place: _masks(activations, inputs[place], half_pixels=single) for place in images}
    score: Callable[[Any], Any] = arguments["score"]
    at_once = max(1, int(arguments.get("batch_size") or BATCH) // count)
    weights = np.empty((channels, count), activations.dtype)
    for start in range(0, channels, at_once):
        stop = min(start + at_once, channels)
        rows = []
        for place, array in enumerate(inputs):
            copies = np.repeat(array[None], stop - start, axis=0)
            if place in masks:
                copies = copies * np.moveaxis(masks[place], -1, 0)[start:stop, ..., None]
            rows.append(tf.constant(copies.reshape(-1, *array.shape[1:]), dtype=call.inputs[place].dtype))
        found = to_numpy(view(_packed(rows), training=bool(arguments.get("training", False))))
        if call.passed is not None:
            call.passed(len(found))
        found = found.reshape(stop - start, count, *found.shape[1:])
        for place, predictions in enumerate(found, start):
            tensor = tf.constant(predictions) if single else tf.nn.softmax(tf.constant(predictions))
            weights[place] = _one_a_sample(score(tensor), count)
    if single:
        shifted = np.exp(weights - weights.max(0))
        weights = shifted / shifted.sum(0)
    result: Array = np.einsum("n...c,cn->n...", activations, weights)
    return result


def _packed(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _most_varied(activations: Array, most: Any) -> Array:
    """The channels of each sample whose standard deviation there is largest (Faster-Score-CAM).

    tf-keras-vis takes those of all samples for each, so that a map depends on the samples beside it.
    """
    channels = activations.shape[-1]
    if most is None or most <= 0 or most == channels:
        return activations
    if most > channels:
        raise InvalidArgumentError(f"max_N is at most the {channels} channels of the layer, not {most}")
    deviation = activations.std(tuple(range(1, activations.ndim - 1)))
    chosen = np.argsort(-deviation, axis=-1, kind="stable")[:, :most]
    places = chosen.reshape(len(chosen), *[1] * (activations.ndim - 2), most)
    found: Array = np.take_along_axis(activations, places, axis=-1)
    return found


def _masks(activations: Array, image: Array, *, half_pixels: bool) -> Array:
    """Channels as large as the image, each scaled to 0…1 a sample.

    They are enlarged as tf-keras-vis does it, corner to corner, or as the paper's authors do, half pixels at the border.
    """
    if half_pixels:
        grown = activations
        for axis, size in enumerate(image.shape[1:-1], 1):
            grown = _linear(grown, axis, size)
    else:
        grown = enlarged(activations, (len(activations), *image.shape[1:-1], activations.shape[-1]), mode="nearest")
    places = tuple(range(1, grown.ndim - 1))
    low, high = grown.min(places, keepdims=True), grown.max(places, keepdims=True)
    scaled: Array = (grown - low) / (high - low + EPSILON)
    return scaled


def _linear(array: Array, axis: int, size: int) -> Array:
    """Linear interpolation along one axis, half pixels at the border."""
    old = array.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, old - 1)
    share = (places - low).astype(array.dtype).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    found: Array = array.take(low, axis) * (1 - share) + array.take(high, axis) * share
    return found


def _one_a_sample(score: Any, count: int) -> Array:
    values = np.stack([to_numpy(item) for item in score]) if isinstance(score, (list, tuple)) else to_numpy(score)
    if values.size % count or (values.ndim and len(values) != count):
        raise InvalidArgumentError(
            f"the score has shape {values.shape}; it has to be one a sample, of which there are {count}"
        )
    means: Array = values.reshape(count, -1).mean(1)
    return means
