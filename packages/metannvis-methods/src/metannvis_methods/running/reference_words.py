"""Words of LIME's reference, the arguments of its ``explain_instance``, as ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.running.call import RunningCall

__all__ = ["reference_options", "with_hidden", "with_segmentation"]

Array = np.ndarray[Any, Any]
METHODS = ("lime", "kernel_shap")
#: Words that say that the reference's linear model is meant rather than Captum's.
LOCAL_MODEL = ("num_features", "num_samples", "distance_metric", "model_regressor", "hide_color", "segmentation_fn")
#: The reference's number of features: all.
ALL = 100_000
SAMPLES = 1000


def reference_options(
    spec: MethodSpec, options: Mapping[str, Any], seed: int | None
) -> tuple[Mapping[str, Any], int | None]:
    """Options and seed with the reference's names for ours replaced.

    Raises
    ------
    InvalidArgumentError
        Something is said twice, or is none of what it has to be.
    """
    if spec.key not in METHODS or not isinstance(options, Mapping):
        return options, seed
    found = dict(options)
    if "top_labels" in found:
        raise InvalidArgumentError("top_labels is a word of explain(), which gives one explanation a class")
    if spec.key == "lime" and any(name in found for name in LOCAL_MODEL):
        found.setdefault("num_features", ALL)
        if "n_samples" not in found:
            found.setdefault("num_samples", SAMPLES)
    if "num_samples" in found:
        if "n_samples" in found:
            raise InvalidArgumentError("n_samples and num_samples are the same: give one of them")
        found["n_samples"] = found.pop("num_samples")
    for name in ("num_features", "n_samples"):
        value = found.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
            raise InvalidArgumentError(f"{name} of {spec.key} is a whole number of at least 1, not {value!r}")
    if "random_seed" in found:
        if seed is not None:
            raise InvalidArgumentError("seed and random_seed are the same: give one of them")
        seed = found.pop("random_seed")
    return found, seed


def with_segmentation(call: RunningCall, values: Sequence[Array], axes: Sequence[str]) -> RunningCall:
    """The call with a mask of the segments that the caller's function makes of each image, shape ``(H, W, C)``."""
    function = call.call_options.get("segmentation_fn")
    if function is None:
        return _without(call, "segmentation_fn")
    if call.call_options.get("feature_mask") is not None:
        raise InvalidArgumentError("segmentation_fn and feature_mask are the same: give one of them")
    if not callable(function):
        raise InvalidArgumentError(
            f"segmentation_fn is a function of an image of shape (H, W, C), not {function!r}; for a word give feature_mask=…"
        )
    segments = []
    for image in _images(values, axes):
        found = np.asarray(function(image))
        if found.shape != image.shape[:2] or found.dtype.kind not in "iub":
            raise InvalidArgumentError(
                f"segmentation_fn returned {found.dtype} of shape {found.shape} for an image of shape {image.shape}: it "
                f"returns whole numbers of shape {image.shape[:2]}"
            )
        segments.append(np.unique(found, return_inverse=True)[1].reshape(found.shape))
    call = _without(call, "segmentation_fn")
    return dataclasses.replace(call, call_options={**call.call_options, "feature_mask": np.stack(segments)})


def with_hidden(call: RunningCall, values: Sequence[Array], axes: Sequence[str]) -> RunningCall:
    """The call with what hidden segments look like as baselines: a color, or the mean color of each (``None``)."""
    local, color = "num_features" in call.call_options, call.call_options.get("hide_color")
    asked = "hide_color" in call.call_options
    call = _without(call, "hide_color")
    if not asked and (not local or call.call_options.get("baselines") is not None):
        return call
    if call.call_options.get("baselines") is not None:
        raise InvalidArgumentError("hide_color and baselines are the same: give one of them")
    mask = call.call_options.get("feature_mask")
    if mask is None or len(values) != 1 or not {"H", "W"} <= set(axes[0]):
        if asked and (color is None or np.ndim(color)):
            raise InvalidArgumentError(
                "hide_color is a color, or None for the mean of each segment, of one input of images"
            )
        return (
            call if color is None else dataclasses.replace(call, call_options={**call.call_options, "baselines": color})
        )
    if color is not None:
        hidden = np.full_like(np.moveaxis(values[0], axes[0].find("C"), -1) if "C" in axes[0] else values[0], 0)
        hidden[...] = np.asarray(color)
        hidden = np.moveaxis(hidden, -1, axes[0].find("C")) if "C" in axes[0] else hidden
    else:
        hidden = _means(values[0], np.broadcast_to(np.asarray(mask), values[0].shape), axes[0])
    return dataclasses.replace(call, call_options={**call.call_options, "baselines": hidden})


def _means(values: Array, mask: Array, axes: str) -> Array:
    """Each segment filled with its mean, channel by channel."""
    channel = axes.find("C")
    filled = np.array(values, dtype=np.float64)
    for row in range(len(values)):
        image, segments = (
            np.moveaxis(array[row], channel - 1, -1) if channel > 0 else array[row][..., None]
            for array in (filled, mask)
        )
        for segment in np.unique(segments):
            for k in range(image.shape[-1]):
                where = segments[..., k] == segment
                if where.any():
                    image[where, k] = image[where, k].mean()
    return filled.astype(values.dtype)


def _images(values: Sequence[Array], axes: Sequence[str]) -> Sequence[Array]:
    if len(values) != 1 or not {"H", "W"} <= set(axes[0]) or len(axes[0].replace("C", "")) != 3:
        raise InvalidArgumentError("segmentation_fn is for one input that is images")
    channel = axes[0].find("C")
    array = np.moveaxis(values[0], channel, -1) if channel > 0 else values[0][..., None]
    return list(array)


def _without(call: RunningCall, name: str) -> RunningCall:
    if name not in call.call_options:
        return call
    return dataclasses.replace(call, call_options={k: v for k, v in call.call_options.items() if k != name})
