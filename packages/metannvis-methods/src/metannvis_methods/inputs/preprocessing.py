"""Preprocessing of an image's pixels: what a network was trained to get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError

from metannvis_methods.inputs.preprocessing_records import FIELDS, from_record
from metannvis_methods.inputs.wording import ARGUMENTS, Wording
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["IMAGENET", "PRESETS", "SCALES", "as_pictures", "ends", "preprocessing", "said", "scale_pixels"]

Array = np.ndarray[Any, Any]
#: Mean and standard deviation of ImageNet's red, green and blue, on a scale of 0…1.
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))

_TORCH = Preprocessing(255.0, tuple(IMAGENET[0].tolist()), tuple(IMAGENET[1].tolist()), crop=True, crop_share=224 / 256)
_SYMMETRIC = Preprocessing(127.5, (1.0,))
#: 0…1; −1…1; 0…255; ImageNet's mean 0 and deviation 1, of the middle of the image; its mean 0 with blue first. And the names
#: by which they are known.
PRESETS: dict[str, Preprocessing] = {
    "unit": Preprocessing(255.0),
    "symmetric": _SYMMETRIC,
    "imagenet": _TORCH,
    "none": Preprocessing(),
    "imagenet-torch": _TORCH,
    "imagenet-tf": _SYMMETRIC,
    "imagenet-caffe": Preprocessing(mean=(103.939, 116.779, 123.68), order="BGR"),
}
SCALES = tuple(PRESETS)


def preprocessing(value: Any, *, wording: Wording = ARGUMENTS) -> Preprocessing:
    """A preprocessing by its name, as the record of one, or as a JSON file with such a record.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    if isinstance(value, Preprocessing):
        return value
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    if isinstance(value, Mapping):
        return from_record(value)
    if isinstance(value, (str, Path)) and Path(value).suffix.lower() == ".json":
        return preprocessing(_read(Path(value), wording), wording=wording)
    shown = wording.scale.format(value)
    raise InvalidArgumentError(f"{shown} is no preprocessing; there are: {', '.join(PRESETS)}, {wording.records}")


def said(known: Preprocessing) -> str:
    """A preprocessing in words: its name if it has one, and what it does."""
    name = next((name for name, preset in PRESETS.items() if preset == known), "")
    if known.mean or known.std:
        done = f"pixels / {known.divisor:g}"
        done = f"({done} − {_listed(known.mean)})" if known.mean and known.std else done
        done += f" − {_listed(known.mean)}" if known.mean and not known.std else ""
        done += f" / {_listed(known.std)}" if known.std else ""
    else:
        done = f"pixels of 0…{255 / known.divisor:g}"
    size = "" if known.size is None else f"{known.size[0]} × {known.size[1]}"
    middle = f"the middle {known.crop_share:.4g} of the shorter side" if known.crop and known.crop_share < 1 else ""
    parts = [
        done,
        "blue first" if known.order == "BGR" else "",
        size,
        middle or ("cut to the aspect" if known.crop else ""),
    ]
    what = ", ".join(filter(None, parts))
    return f"{name}: {what}" if name else what


def _listed(numbers: tuple[float, ...]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers)
    return shown if len(numbers) == 1 else f"({shown})"


def _read(path: Path, wording: Wording) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InvalidArgumentError(f"{wording.scale.format(str(path))} cannot be read: {why}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"{path} holds no preprocessing: a JSON object with {', '.join(FIELDS)}")
    return found


def scale_pixels(pixels: Array, scale: Any, *, name: str = "the image", wording: Wording = ARGUMENTS) -> Array:
    """Pixels in the range that a network expects.

    Parameters
    ----------
    pixels
        Shape ``(H, W)``, or ``(H, W, C)`` with the channels last; floating point, 0…255, red first.
    scale
        See :func:`preprocessing`.
    name
        What a message calls the image.
    wording
        How a message names the preprocessing.

    Returns
    -------
    array
        Of the same shape; float64, or the pixels themselves where nothing is done to them.

    Raises
    ------
    InvalidArgumentError
        There is no such preprocessing, or it is for three colours and the image is in others.
    """
    known = preprocessing(scale, wording=wording)
    colours = 1 if pixels.ndim == 2 else pixels.shape[2]
    if known.colours > 1 and colours != known.colours:
        raise InvalidArgumentError(
            f"{wording.scale.format(scale)} is for three colours, and the model takes {name} in others"
        )
    if known.order == "BGR":
        pixels = pixels[..., ::-1]
    if known == PRESETS["none"]:
        return pixels
    mean, deviation = (np.array(side) if len(side) > 1 else sum(side) for side in (known.mean, known.std))
    scaled: Array = pixels.astype(np.float64) / known.divisor - mean
    return scaled / deviation if known.std else scaled


def as_pictures(known: Preprocessing, values: Array, axes: str) -> Array:
    """Inputs that a preprocessing made, as pictures again: 0…1, red first.

    Parameters
    ----------
    values, axes
        The inputs, and a letter an axis.
    """
    place, shape = _along_colours(values, axes)
    mean = np.reshape(known.mean or 0.0, shape if len(known.mean) > 1 else ())
    deviation = np.reshape(known.std or 1.0, shape if len(known.std) > 1 else ())
    pixels: Array = (values.astype(np.float64) * deviation + mean) * known.divisor / 255
    if known.order == "BGR" and place >= 0:
        pixels = np.flip(pixels, place)
    return np.clip(pixels, 0, 1)


def ends(known: Preprocessing, values: Array, axes: str) -> tuple[Array, Array]:
    """What black and white are after a preprocessing, in the shape of the inputs.

    Parameters
    ----------
    values, axes
        The inputs, and a letter an axis.
    """
    _, shape = _along_colours(values, axes)
    colours = int(np.prod(shape))
    low, high = (scale_pixels(np.full((1, 1, colours), pixel), known).reshape(shape) for pixel in (0.0, 255.0))
    return np.broadcast_to(low, values.shape), np.broadcast_to(high, values.shape)


def _along_colours(values: Array, axes: str) -> tuple[int, list[int]]:
    """The place of the axis of colours, −1 if there is none, and the shape of a number a colour along it."""
    place = axes.find("C")
    return place, [size if k == place else 1 for k, size in enumerate(values.shape)]
