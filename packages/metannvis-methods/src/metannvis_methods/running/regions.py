"""Regions of dense targets: where in the output that which is explained lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.models.scores import RegionScore
from metannvis_methods.registry.toolset import Target

__all__ = ["dense_axes", "target_region"]

Array = np.ndarray[Any, Any]
#: Axes of the places of an output of images and of volumes, by their number.
PLACES = {2: "HW", 3: "DHW"}


def dense_axes(
    known: str, shape: Sequence[int], *, channels_last: bool, inputs: Sequence[tuple[str, Sequence[int]]]
) -> str | None:
    """One letter an axis of a dense output: N, C for the classes, and the places; ``None`` of any other output.

    Parameters
    ----------
    known
        What a translation knows of them; empty, or ``?`` for an axis of which nothing is known.
    shape
        Of the output, in the layout of the caller's model.
    channels_last
        Whether the caller's framework has the channels of images last.
    inputs
        Axes and shape of each input: of an output with one axis of places, it is that which is as long as the input's.
    """
    if len(shape) < 3:
        return None
    if len(known) == len(shape) and "?" not in known and "C" in known:
        return known
    if len(shape) == 3:
        for axes, sizes in inputs:
            letter = next((letter for letter in "LT" if letter in axes), None)
            if letter is not None:
                long = [axis for axis in (1, 2) if shape[axis] == sizes[axes.index(letter)]]
                return None if len(long) != 1 else f"N{letter}C" if long == [1] else f"NC{letter}"
        return None
    places = PLACES.get(len(shape) - 2)
    if places is None:
        return None
    return f"N{places}C" if channels_last else f"NC{places}"


def target_region(target: Target, score: Any, axes: str, shape: Sequence[int]) -> Array | None:
    """Weight of each place of a dense output in what is explained, shape ``(N, …)``; ``None`` where no place is told apart.

    Parameters
    ----------
    target
        A position, or one a sample, the batch left out.
    score
        The score that takes the place of a target, or one a sample.
    axes
        Of the output, which the position is one in.
    shape
        Of the output.
    """
    channel = axes.index("C")
    count, places = shape[0], tuple(size for axis, size in enumerate(shape) if axis not in (0, channel))
    if score is not None:
        scores = score if isinstance(score, list) else [score] * count
        if not all(isinstance(one, RegionScore) for one in scores) or len(scores) != count:
            return None
        return np.stack([np.broadcast_to(one.region, places) for one in scores])
    positions: list[Any] = target if isinstance(target, list) else [target] * count
    if len(positions) != count or not all(isinstance(one, tuple) and len(one) == len(shape) - 1 for one in positions):
        return None
    region = np.zeros((count, *places), bool)
    for k, position in enumerate(positions):
        region[(k, *(at for axis, at in enumerate(position, 1) if axis != channel))] = True
    return region
