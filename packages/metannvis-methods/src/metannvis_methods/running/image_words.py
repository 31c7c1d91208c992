"""Words for images: what is done to their pixels, and what black and white are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from metannvis_translate.process import exclusive

from metannvis_methods.inputs.image_inputs import from_images, is_images
from metannvis_methods.inputs.pixel_range import pixel_range
from metannvis_methods.inputs.preprocessing import ends
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running.sharing import shared
from metannvis_methods.running.words import Words
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["black_and_white", "preprocessed", "samples"]

logger = logging.getLogger("metannvis_methods")
Array = np.ndarray[Any, Any]


def preprocessed(inputs: Any, words: Words, source: Any, framework: str) -> tuple[Any, Preprocessing | None]:
    """Inputs with images as the model takes them, and what was done to their pixels."""
    from metannvis_translate import Translation

    model = source.source if isinstance(source, Translation) else source

    def range_of(arrays: Sequence[Array], place: int) -> tuple[float, float] | None:
        with exclusive(model, progress=words.progress):
            return pixel_range(adapter_for(framework), model, arrays, place)

    return shared(
        ("images", id(inputs), words.preprocess, id(model)),
        (inputs, model),
        lambda: from_images(inputs, words.preprocess, model, framework, range_of),
    )


def samples(data: Any, words: Words, source: Any, framework: str) -> Any:
    """Samples like the inputs: images where those are, arrays where they are none."""
    if words.preprocess is None or data is None or not is_images(data, words.preprocess):
        return data
    return preprocessed(data, words, source, framework)[0]


def black_and_white(
    words: Words, source: Any, framework: str, values: Sequence[Array], axes: Sequence[str], place: int
) -> tuple[Any, Any] | None:
    """What black and white are for an input, as numbers or in its shape; ``None`` if nothing but its numbers can tell."""
    if words.value_range is not None:
        return words.value_range
    if words.preprocess is not None and {"H", "W"} <= set(axes[place]):
        return ends(words.preprocess, values[place], axes[place])
    if source is None:
        return None
    found = pixel_range(adapter_for(framework), source, values, place)
    if found is not None:
        logger.info("black and white are %g and %g, as the model brings them to its own range first", *found)
    return found
