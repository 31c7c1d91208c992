"""Class activation maps of tf-keras-vis: enlarged to the inputs that have the layer's axes of space, and scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.cam_formulas import MAP_AXES

__all__ = ["enlarged", "finished", "like_images", "scaled"]

Array = np.ndarray[Any, Any]
#: As in tf-keras-vis.
EPSILON = 1e-7


def like_images(inputs: Sequence[Any], rank: int) -> list[int]:
    """Places of the inputs that have as many axes of space as a map of ``rank`` axes."""
    return [place for place, tensor in enumerate(inputs) if len(tensor.shape) == rank + 1]


def enlarged(array: Array, shape: Sequence[int], mode: str = "constant") -> Array:
    """An array as large as that, by linear interpolation, as tf-keras-vis does it."""
    from scipy.ndimage import zoom

    factors = [to / of for to, of in zip(shape, array.shape, strict=True)]
    found: Array = zoom(array, factors, order=1, mode=mode)
    return found


def finished(cam: Any, call: MethodCall, arguments: Mapping[str, Any]) -> MethodOutput:
    """A map over the layer's places as the caller wants it: enlarged and scaled, as tf-keras-vis does where it can.

    An input without the layer's axes of space, a table beside an image, has no map; where one input has, the map is its.
    """
    cam, scale = to_numpy(cam), arguments.get("normalize_cam", True)
    axes = MAP_AXES.get(cam.ndim) if call.arrange is not None else None  # it lies like no output of a layer
    if not arguments.get("expand_cam", True):
        return MethodOutput(scaled(cam) if scale else cam, over="layer", channels=False, axes=axes)
    images = like_images(call.inputs, cam.ndim)
    maps = {place: enlarged(cam, tuple(call.inputs[place].shape)[:-1]) for place in images}
    maps = {place: scaled(one) for place, one in maps.items()} if scale else maps
    if not maps:  # no input lies as the layer does
        return MethodOutput(scaled(cam) if scale else cam, over="layer", channels=False, axes=axes)
    if len(maps) == 1 and len(call.inputs) > 1:
        ((place, one),) = maps.items()
        return MethodOutput(one, channels=False, place=place)
    if len(call.inputs) == 1 and not call.several:
        return MethodOutput(maps[0], channels=False)
    return MethodOutput(tuple(maps.get(place) for place in range(len(call.inputs))), channels=False)


def scaled(cam: Array) -> Array:
    """0…1 a sample, as tf-keras-vis does it."""
    places = tuple(range(1, cam.ndim))
    low, high = cam.min(places, keepdims=True), cam.max(places, keepdims=True)
    found: Array = (cam - low) / (high - low + EPSILON)
    return found
