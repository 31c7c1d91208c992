"""Feature masks: which elements of an input make up a feature, by word or as an array of fewer axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingFrameworkError, near_misses

__all__ = ["MASKS", "feature_mask", "superpixels"]

Array = np.ndarray[Any, Any]
#: Words, and their options with defaults.
MASKS: Mapping[str, Mapping[str, Any]] = {
    "superpixels": {"algorithm": "quickshift", "n_segments": 50},
    "grid": {"cells": 7},
    "pixels": {},
    "channels": {},
}
#: Fewest superpixels of an image; quickshift makes one of a small photograph.
FEWEST = 10


def feature_mask(mask: Any, values: Array, axes: str) -> Array:
    """A mask as an array of whole numbers that broadcasts to the input.

    Parameters
    ----------
    mask
        One of :data:`MASKS`, or a pair of it and a dict of options; or an array: in the input's shape, one axis of which may be
        1, or without channels, ``(H, W)`` or ``(N, H, W)``, for every channel.
    values, axes
        The input, and a letter an axis (N samples, C channels, the others places).

    Raises
    ------
    InvalidArgumentError
        There is no such word or option, or the array does not lie like the input.
    """
    if isinstance(mask, str):
        return _by_word(mask, {}, values, axes)
    if isinstance(mask, tuple) and len(mask) == 2 and isinstance(mask[0], str):
        return _by_word(mask[0], mask[1], values, axes)
    array = np.asarray(mask)
    if array.dtype.kind not in "iub" and not (array.dtype.kind == "f" and (array == np.floor(array)).all()):
        raise InvalidArgumentError(
            f"feature_mask holds whole numbers, one for each feature, not {array.dtype} such as {array.flat[0]!r}"
        )
    channel = axes.find("C")
    if array.ndim < values.ndim and channel >= 0:
        spaces = tuple(size for size, letter in zip(values.shape, axes, strict=True) if letter not in "NC")
        if array.shape == spaces:
            array = array[None]
        if array.shape[1:] == spaces and len(array) in (1, len(values)):
            return np.expand_dims(array, channel)
    try:
        fits = np.broadcast_shapes(array.shape, values.shape) == values.shape and array.ndim == values.ndim
    except ValueError:
        fits = False
    if not fits:
        places = tuple(size for size, letter in zip(values.shape, axes, strict=True) if letter not in "NC")
        raise InvalidArgumentError(
            f"feature_mask has shape {array.shape}, and the input {values.shape} ({axes}): give one of that shape, with 1 for "
            "an axis along which it is the same" + (f", or {places} for every channel" if channel >= 0 else "")
        )
    return array


def check_mask_word(mask: str | tuple[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The word and its options, those left out by their defaults.

    Raises
    ------
    InvalidArgumentError
        There is no such word or option; the message names close ones.
    """
    word, options = (mask, {}) if isinstance(mask, str) else mask
    known = word.casefold()
    if known not in MASKS:
        close = near_misses(known, tuple(MASKS))
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidArgumentError(f"feature_mask is an array or one of {', '.join(MASKS)}, not {word!r}{meant}")
    if not isinstance(options, Mapping) or set(options) - set(MASKS[known]):
        raise InvalidArgumentError(
            f"feature_mask {known!r} has the options {', '.join(MASKS[known]) or '(none)'}: {options!r}"
        )
    given = {**MASKS[known], **options}
    for name in {"cells", "n_segments"} & set(given):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgumentError(f"feature_mask {known!r}: {name} is a whole number of at least 1, not {value!r}")
    if given.get("algorithm", "slic") not in ("quickshift", "slic"):
        raise InvalidArgumentError(
            f"feature_mask 'superpixels': algorithm is quickshift or slic, not {given['algorithm']!r}"
        )
    return known, given


def _by_word(word: str, options: Any, values: Array, axes: str) -> Array:
    known, given = check_mask_word((word, options))
    channel = axes.find("C")
    if known == "channels":
        if channel < 0:
            raise InvalidArgumentError(
                f"feature_mask='channels' is for inputs with channels; this one has the axes {axes}"
            )
        return np.arange(values.shape[channel]).reshape([-1 if k == channel else 1 for k in range(values.ndim)])
    places = [k for k, letter in enumerate(axes) if letter not in "NC" and k]
    sizes = [values.shape[k] for k in places]
    if known == "pixels":
        flat = np.arange(math.prod(sizes)).reshape(sizes)
    elif known == "grid":
        flat = grid(sizes, given["cells"])
    else:
        if axes.replace("N", "").replace("C", "") not in ("HW", "WH"):
            raise InvalidArgumentError(f"feature_mask='superpixels' is for images; this input has the axes {axes}")
        images = np.moveaxis(values, channel, -1) if channel >= 0 else values[..., None]
        segments = np.stack([superpixels(image, given["algorithm"], given["n_segments"]) for image in images])
        return np.expand_dims(segments, channel) if channel >= 0 else segments
    shape = [values.shape[k] if k in places else 1 for k in range(values.ndim)]
    return flat.reshape(shape)


def grid(sizes: list[int], cells: int) -> Array:
    """Cells of equal size, so many along each axis at most."""
    found = np.zeros(sizes, int)
    for axis, size in enumerate(sizes):
        index = np.arange(size) // math.ceil(size / cells)
        found = found * (int(index.max()) + 1) + index.reshape([-1 if k == axis else 1 for k in range(len(sizes))])
    return found


def superpixels(image: Array, algorithm: str, segments: int) -> Array:
    """Superpixels of an image of shape ``(H, W, C)``, numbered from 0, shape ``(H, W)``; never fewer than ten.

    ``"quickshift"`` with the reference's settings for LIME (kernel 4, distance 200, ratio 0.2), for three channels; ``"slic"``
    where that makes too few, and for other numbers of channels; then a grid.

    Raises
    ------
    MissingFrameworkError
        scikit-image is not installed.
    """
    try:
        from skimage.segmentation import quickshift, slic
    except ImportError as error:
        raise MissingFrameworkError("superpixels need scikit-image: pip install 'metannvis-methods[images]'") from error
    low, high = float(np.min(image)), float(np.max(image))
    shown = (image.astype(float) - low) / (high - low or 1.0)
    if algorithm == "quickshift" and image.shape[-1] == 3:
        found = quickshift(shown, kernel_size=4, max_dist=200, ratio=0.2)
        if len(np.unique(found)) >= FEWEST:
            return _numbered(found)
    found = slic(
        shown, n_segments=segments, compactness=10 if image.shape[-1] == 3 else 0.1, channel_axis=-1, start_label=0
    )
    if len(np.unique(found)) >= FEWEST:
        return _numbered(found)
    return grid(list(image.shape[:2]), 7)


def _numbered(segments: Array) -> Array:
    found: Array = np.unique(segments, return_inverse=True)[1].reshape(segments.shape)
    return found
