"""Streams of images: arrays, or files that are read when their batch comes; as a model takes them, and as people see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.inputs.images import SUFFIXES
from metannvis_methods.inputs.preprocessing import as_pictures
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.running.image_words import preprocessed
from metannvis_methods.running.words import Words
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["ImageStream", "files_of"]

Array = np.ndarray[Any, Any]


class ImageStream:
    """Images of a data set, batch after batch, as often as they are asked for.

    Parameters
    ----------
    images
        An array in the model's layout, shape ``(N, …)``; or a list of images (files, Pillow's, arrays of uint8 with the
        channels last), or the folder that holds them.
    words
        Checked; ``preprocess`` is what is done to pixels.
    """

    def __init__(self, images: Any, words: Words, model: Any, framework: str, adapter: ModelAdapter) -> None:
        self.words, self.model, self.framework, self.adapter = words, model, framework, adapter
        if isinstance(images, (str, Path)):
            images = files_of(Path(images))
        self.listed = list(images) if isinstance(images, (list, tuple)) else None
        self.array = None if self.listed is not None else to_numpy(images)
        if (self.array is not None and self.array.ndim < 2) or len(self) == 0:
            raise InvalidArgumentError("there are no images: give an array (N, …), a list of files, or a folder")
        #: What was done to the pixels; known once a batch was read.
        self.known: Preprocessing | None = None

    def __len__(self) -> int:
        return len(self.array) if self.array is not None else len(self.listed or ())

    @property
    def names(self) -> tuple[str, ...]:
        """File names, or nothing."""
        files = [item for item in self.listed or () if isinstance(item, (str, Path))]
        return tuple(str(Path(file).name) for file in files) if len(files) == len(self) else ()

    def batch(self, start: int, stop: int) -> Array:
        """Images as the model takes them, in its layout and dtype.

        Raises
        ------
        InvalidArgumentError
            The model does not take images of that shape.
        """
        if self.array is not None:
            values: Any = self.array[start:stop]
            if self.words.preprocess is not None:
                values, self.known = preprocessed(values, self.words, self.model, self.framework)
        else:
            values, self.known = preprocessed((self.listed or [])[start:stop], self.words, self.model, self.framework)
        tensors = (self.adapter.as_input(self.model, values, 0),)
        self.adapter.check_inputs(self.model, tensors)
        found: Array = to_numpy(tensors[0])
        return found

    def pictures(self, batch: Array, axes: str, side: int) -> Array:
        """A batch as people see it, shape ``(N, h, w, 3)``, uint8, no side longer than so many pixels."""
        if not {"H", "W"} <= set(axes):
            raise InvalidArgumentError(f"inputs with the axes {axes!r} are no images")
        if self.known is not None:
            values = as_pictures(self.known, batch, axes)
        else:
            low, high = float(batch.min()), float(batch.max())
            span = (
                (0.0, 1.0) if low >= 0 and high <= 1 else (0.0, 255.0) if low >= 0 and 1 < high <= 255 else (low, high)
            )
            values = np.clip((batch.astype(np.float64) - span[0]) / max(span[1] - span[0], 1e-12), 0, 1)
        order = [axes.index(letter) for letter in "NHWC" if letter in axes]
        pixels = np.transpose(values, order)
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        pixels = pixels if pixels.shape[-1] == 3 else np.repeat(pixels.mean(-1, keepdims=True), 3, axis=-1)
        step = max(1, -(-max(pixels.shape[1:3]) // side))
        return np.ascontiguousarray((pixels[:, ::step, ::step] * 255).round().astype(np.uint8))


def files_of(folder: Path) -> list[Path]:
    """Image files of a folder and of the folders in it, by name.

    Raises
    ------
    InvalidArgumentError
        There is no such folder, or it holds no image.
    """
    if not folder.is_dir():
        raise InvalidArgumentError(f"{folder} is no folder of images")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise InvalidArgumentError(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))})")
    return found
