"""Pixel ranges: what black and white are for a model that normalises its input itself, by what it does with it first."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from metannvis_translate.errors import first_line

from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for

__all__ = ["pixel_range", "range_of_model"]

logger = logging.getLogger("metannvis_methods")
Array = np.ndarray[Any, Any]
#: Spread of what a network computes on, from black to white: 1 for 0…1, 2 for −1…1, 4 to 5 for a deviation of 1.
SPREAD = (0.9, 10.0)
#: Where between black and white a mean may lie.
MEAN = (0.1, 0.9)


def range_of_model(model: Any, framework: str, inputs: Sequence[Array], place: int = 0) -> tuple[float, float] | None:
    """:func:`pixel_range` for a model of a framework."""
    return pixel_range(adapter_for(framework), model, inputs, place)


def pixel_range(adapter: ModelAdapter, model: Any, inputs: Sequence[Array], place: int) -> tuple[float, float] | None:
    """What black and white are for an input: 0…255 or 0…1, if what the model does with it first says so.

    Images that are black, white, and both by places are followed through the first operations, as long as each of them treats
    a place by itself and linearly (a Rescaling, a Normalization, an augmentation that rests, a resize): they are what the
    network is normalised by, and the range is the one that they bring to numbers of the order of 1.

    Parameters
    ----------
    inputs
        Inputs like those that the model takes, in its own layout.
    place
        Which of them is an image.
    """
    image = np.asarray(inputs[place])
    if image.ndim < 3 or image.dtype.kind not in "fui":
        return None
    fixed = adapter.fixed_batch(model)
    runs: list[list[tuple[Array, Array | None]]] = []
    for rows in (1, len(image)) if fixed is None else (fixed,):  # an exported program may take so many as it is given
        few = [np.resize(np.asarray(x), (rows, *np.shape(x)[1:])) for x in inputs]
        try:
            runs = [adapter.leading_values(model, probe, place) for probe in _probes(few, place)]
            break
        except Exception as error:  # noqa: BLE001  # whatever a model raises on what it does not take
            logger.info("what the model does with its input first is not known: %s", first_line(error))
    if not runs or len({len(run) for run in runs}) > 1:
        return None
    led: list[Array] | None = None
    for steps in zip(*runs, strict=True):
        after = [array for _, array in steps if array is not None]
        if len(after) < len(steps) or not _by_place(*after):
            led = [before for before, _ in steps]
            break
        led = after
    return None if led is None else _range(np.asarray(led[0], np.float64), np.asarray(led[1], np.float64))


def _probes(inputs: Sequence[Array], place: int) -> Iterator[list[Array]]:
    """The inputs with images of 0, of 1, of 255, and of both 0 and 1 in one place."""
    image = inputs[place]
    binary = np.random.default_rng(0).integers(0, 2, image.shape)
    for probe in (np.zeros_like(binary), np.ones_like(binary), np.full_like(binary, 255), binary):
        yield [*inputs[:place], probe.astype(image.dtype), *inputs[place + 1 :]]


def _by_place(black: Array, one: Array, white: Array, binary: Array) -> bool:
    """Whether an operation is linear in each place and mixes none but by a mean."""
    if len({array.shape for array in (black, one, white, binary)}) > 1 or black.dtype.kind not in "fui":
        return False
    rounding = 64 * np.finfo(black.dtype).eps if black.dtype.kind == "f" else 0.0
    black, one, white, binary = (np.asarray(array, np.float64) for array in (black, one, white, binary))
    if not all(np.isfinite(array).all() for array in (black, one, white, binary)):
        return False
    slope = one - black
    size = np.maximum(np.abs(black), np.abs(one))
    straight = np.abs(white - (black + 255 * slope)) <= rounding * (255 * size + np.abs(white)) + 1e-12
    slack = rounding * size + 1e-12
    between = (binary >= np.minimum(black, one) - slack) & (binary <= np.maximum(black, one) + slack)
    return bool(straight.all() and between.all())


def _range(black: Array, one: Array) -> tuple[float, float] | None:
    """The range that a network is normalised by, if it is: from what it makes of 0 and of 1."""
    slope = one - black
    moving = np.abs(slope) > 1e-9
    if not moving.any():
        return None
    rise, mean = float(np.median(np.abs(slope[moving]))), float(np.median(-black[moving] / slope[moving]))
    low, high = SPREAD
    if low <= rise and MEAN[0] <= mean <= MEAN[1]:
        return 0.0, 1.0
    if rise * 255 >= low and (rise * 255 <= high or MEAN[0] <= mean / 255 <= MEAN[1]):
        return 0.0, 255.0
    return None
