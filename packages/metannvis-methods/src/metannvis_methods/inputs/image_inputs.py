"""Images as inputs of a call: files, Pillow's images, arrays of pixels, brought to what a model takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate.frameworks import frameworks, get_framework

from metannvis_methods.inputs.images import SUFFIXES, laid_out, picture_pixels
from metannvis_methods.inputs.input_specs import CHANNELS, InputSpec, input_specs
from metannvis_methods.inputs.preprocessing import PRESETS, scale_pixels
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["Preprocessed", "from_images", "is_batch_of_images", "is_images"]

Array = np.ndarray[Any, Any]
#: What black and white are for an input, by the model; ``None`` if it does not say.
RangeOf = Callable[[Sequence[Array], int], tuple[float, float] | None]


@dataclass(frozen=True)
class Preprocessed:
    """Inputs that ``preprocess`` was done to before: it is not done again, and says what black and white are.

    Attributes
    ----------
    inputs
        As :func:`metannvis_methods.explain` takes them.
    """

    inputs: Any


def from_images(
    inputs: Any, known: Preprocessing | None, model: Any, framework: str, range_of: RangeOf
) -> tuple[Any, Preprocessing | None]:
    """Inputs with images as arrays in the model's layout, colours and size; and what was done to their pixels.

    Parameters
    ----------
    inputs
        An image or a list of them, which is a batch: a file, an image of Pillow's, or an array of whole numbers 0…255
        (uint8), shape ``(H, W, C)``, ``(H, W)`` or ``(N, H, W, C)``, a tensor of a framework with channels first as that has
        them. For a model of several inputs a tuple or a dict, of which some may be images. Arrays are images only where a
        preprocessing is named.
    known
        The preprocessing; ``None``: only what the model normalises itself may be left as it is.

    Raises
    ------
    InvalidArgumentError
        A preprocessing is named, and nothing is an image; an image is nothing that the model takes.
    MissingArgumentError
        None is named, and the model says nothing of the pixels that it takes.
    """
    if isinstance(inputs, Preprocessed):
        return inputs.inputs, known
    named = isinstance(inputs, Mapping)
    several = named or (isinstance(inputs, (tuple, list)) and not is_batch_of_images(inputs, known))
    parts: list[Any] = list(inputs.values()) if named else list(inputs) if several else [inputs]
    images = [place for place, part in enumerate(parts) if _is_image(part, known) or is_batch_of_images(part, known)]
    if not images:
        if known is not None and inputs is not None:
            kinds = ", ".join(f"{getattr(part, 'dtype', type(part).__name__)}" for part in parts)
            raise InvalidArgumentError(
                "preprocess is for inputs that are images (files, images of Pillow's, uint8 arrays with the channels last); "
                f"these are {kinds}: leave it out, or give the pixels"
            )
        return inputs, known if inputs is None else None  # what a method makes from nothing has a range as well
    specs = input_specs(model, framework)
    names = list(inputs) if named else []
    raw = {place: _pixels(parts[place], _spec(specs, names, place, framework), known) for place in images}
    if known is None:
        arrays = [
            _laid(raw[k], _spec(specs, names, k, framework)) if k in raw else to_numpy(part)
            for k, part in enumerate(parts)
        ]
        if any(range_of(arrays, place) != (0.0, 255.0) for place in images):
            raise MissingArgumentError(
                f"an image needs preprocess=…, what the network was trained to get of its pixels: {', '.join(PRESETS)}, or a "
                "Preprocessing"
            )
        known = PRESETS["none"]
    for place in images:
        scaled = [scale_pixels(pixels, known) for pixels in raw[place]]
        parts[place] = _laid(scaled, _spec(specs, names, place, framework))
    if named:
        return dict(zip(inputs, parts, strict=True)), known
    return (tuple(parts) if several else parts[0]), known


def is_images(value: Any, known: Preprocessing) -> bool:
    """Whether a value is an image, a batch of them, or several inputs with one among them."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
    return any(_is_image(part, known) or is_batch_of_images(part, known) for part in parts)


def _is_picture(value: Any) -> bool:
    if isinstance(value, (str, Path)):
        return Path(value).suffix.lower() in SUFFIXES
    return type(value).__module__.partition(".")[0] == "PIL" and hasattr(value, "convert")


def _is_image(value: Any, known: Preprocessing | None) -> bool:
    """A picture; and, where a preprocessing is named, an array of pixels."""
    if _is_picture(value) or known is None:
        return _is_picture(value)
    return "uint8" in str(getattr(value, "dtype", "")) and len(getattr(value, "shape", ())) in (2, 3, 4)


def is_batch_of_images(value: Any, known: Preprocessing | None) -> bool:
    """Whether a list is a batch of images rather than several inputs; arrays are images where a preprocessing is named."""
    return isinstance(value, list) and bool(value) and all(_is_image(item, known) for item in value)


def _spec(specs: Sequence[InputSpec], names: Sequence[str], place: int, framework: str) -> InputSpec:
    """What the model declares of an input; of one that it does not declare, what its framework's custom is."""
    by_name = {spec.name: spec for spec in specs}
    if names and names[place] in by_name:
        return by_name[names[place]]
    if place < len(specs):
        return specs[place]
    return InputSpec("input", (None,) * 4, channels_first=not get_framework(framework).channels_last)


def _pixels(value: Any, spec: InputSpec, known: Preprocessing | None) -> list[Array]:
    """Pixels 0…255 of each image, channels last."""
    found: list[Array] = []
    for item in value if isinstance(value, list) else [value]:
        if _is_picture(item):
            found.append(picture_pixels(item, spec, known or Preprocessing())[0])
        else:
            found.extend(_fitted(pixels, spec, known) for pixels in _separate(item))
    return found


def _separate(value: Any) -> list[Array]:
    """The images of an array or a tensor, channels last."""
    array = to_numpy(value)
    tensors = [plugin for plugin in frameworks() if plugin.is_array(value)]
    first = bool(tensors) and tensors[0].channels_last is False
    if array.ndim == 2 or (array.ndim == 3 and array.shape[0 if first else -1] in CHANNELS):
        array = array[None]
    if array.ndim == 4 and (array.shape[1] if first else array.shape[-1]) in CHANNELS:
        array = array.transpose(0, 2, 3, 1) if first else array
    elif array.ndim == 4 and array.shape[-1 if first else 1] in CHANNELS:
        array = array if first else array.transpose(0, 2, 3, 1)
    elif array.ndim == 4:
        raise InvalidArgumentError(f"an array of images has shape (N, H, W, C), C 1, 3 or 4, not {array.shape}")
    return list(array)


def _fitted(pixels: Array, spec: InputSpec, known: Preprocessing | None) -> Array:
    """An array of pixels in the size that the model takes, by Pillow if it has another."""
    colours = 1 if pixels.ndim == 2 else pixels.shape[2]
    if spec.is_image and spec.channels not in (None, colours):
        raise InvalidArgumentError(
            f"an image has {colours} colours, and input {spec.name!r} of the model {spec.channels}"
        )
    size = known.size if known is not None and known.size is not None else spec.size if spec.is_image else (None, None)
    if all(w in (None, s) for w, s in zip(size, pixels.shape[:2], strict=True)) and spec.is_image:
        return pixels.astype(np.float32)
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and colours == 1 else pixels)
    return picture_pixels(picture, spec, known or Preprocessing())[0]


def _laid(images: Sequence[Array], spec: InputSpec) -> Array:
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InvalidArgumentError(
            f"the images of a batch differ in shape ({', '.join(map(str, sorted(shapes)))}): give preprocess=Preprocessing("
            "size=(height, width), …)"
        )
    flat = [image[..., 0] if image.ndim == 3 and len(spec.shape) == 3 else image for image in images]
    return np.concatenate([laid_out(image, spec) for image in flat])
