"""Preprocessing of an image's pixels: the range that a network expects of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError

from metannvis_methods.inputs.wording import ARGUMENTS, Wording

__all__ = ["IMAGENET", "SCALES", "scale_pixels"]

Array = np.ndarray[Any, Any]
#: 0…1, −1…1, ImageNet's mean 0 and deviation 1, 0…255.
SCALES = ("unit", "symmetric", "imagenet", "none")
#: Mean and standard deviation of ImageNet's red, green and blue, on a scale of 0…1.
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


def scale_pixels(pixels: Array, scale: str, *, name: str = "the image", wording: Wording = ARGUMENTS) -> Array:
    """Pixels in the range that a network expects.

    Parameters
    ----------
    pixels
        Shape ``(H, W)``, or ``(H, W, C)`` with the channels last; floating point, 0…255.
    scale
        ``"unit"`` 0…1, ``"symmetric"`` −1…1, ``"imagenet"`` that data set's mean 0 and deviation 1, ``"none"`` 0…255.
    name
        What a message calls the image.
    wording
        How a message names the scale.

    Returns
    -------
    array
        Of the same shape; float64 for ``"imagenet"``, else of the same dtype.

    Raises
    ------
    InvalidArgumentError
        There is no such scale, or it is for three colours and the image is in others.
    """
    if scale not in SCALES:
        raise InvalidArgumentError(f"{wording.scale.format(scale)} is no preprocessing; there are: {', '.join(SCALES)}")
    if scale == "none":
        return pixels
    if scale == "symmetric":
        return pixels / 127.5 - 1
    if scale == "unit":
        return pixels / 255
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InvalidArgumentError(
            f"{wording.scale.format(scale)} is for three colours, and the model takes {name} in others"
        )
    mean, deviation = IMAGENET
    return (pixels / 255 - mean) / deviation
