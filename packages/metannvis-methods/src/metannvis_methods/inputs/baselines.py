"""Baselines by word: what an input is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, near_misses

__all__ = ["BASELINES", "baseline", "check_baseline_word", "guessed_range"]

Array = np.ndarray[Any, Any]
BASELINES = ("black", "white", "mean", "blur", "noise", "uniform", "neutral")
#: Those that are made of samples like the inputs.
OF_DATA = ("mean", "neutral")
#: Standard deviation of the blur, as a share of the side; 10 pixels of 224.
BLUR = 10 / 224


def guessed_range(values: Array) -> tuple[float, float]:
    """What black and white are, by the numbers of the inputs: 0…1, or 0…255.

    Raises
    ------
    MissingArgumentError
        They are neither.
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    raise MissingArgumentError(
        f"the inputs lie in {low:.3g}…{high:.3g}, which does not say what black and white are: give value_range=(low, high)"
    )


def check_baseline_word(word: str, *, has_data: bool) -> None:
    """Refuse what is no word for a baseline, or is of data that were not given.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        The message names the words there are, or what to give.
    """
    if word not in BASELINES:
        close = near_misses(word, BASELINES)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidArgumentError(
            f"baselines is a number, an array, or one of {', '.join(BASELINES)}, not {word!r}{meant}"
        )
    if word in OF_DATA and not has_data:
        raise MissingArgumentError(f"baselines={word!r} is of data=…, samples like the inputs")


def baseline(
    word: str,
    values: Array,
    axes: str,
    *,
    ends: Callable[[], tuple[Any, Any] | None],
    data: Array | None,
    neutral: Callable[[Array], Sequence[int]],
    generator: np.random.Generator,
) -> Array:
    """The baseline that a word means, in the shape of the inputs.

    Parameters
    ----------
    word
        ``"black"`` and ``"white"``, the ends of the value range; ``"mean"`` of ``data``; ``"blur"``, the input without its
        details (Gaussian, standard deviation 10 pixels of 224); ``"noise"``, normal numbers with the mean and the standard
        deviation of each channel of a sample; ``"uniform"``, over the value range; ``"neutral"``, the one of ``data`` whose
        prediction is nearest the prior.
    values, axes
        The inputs, and a letter an axis.
    ends
        What black and white are, as numbers or in the shape of the inputs, if that is known.
    data
        Samples like the inputs, for ``"mean"`` and ``"neutral"``.
    neutral
        Which of the data is meant for each sample.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        There is no such word; ``data`` or ``value_range`` are missing, or the data are not like the inputs.
    """
    check_baseline_word(word, has_data=data is not None)
    if word in OF_DATA and data is not None and (data.ndim != values.ndim or data.shape[1:] != values.shape[1:]):
        raise InvalidArgumentError(f"data have shape {data.shape}, and the inputs {values.shape}")
    if word == "mean" and data is not None:
        return np.broadcast_to(data.mean(0, keepdims=True), values.shape).astype(values.dtype)
    if word == "neutral" and data is not None:
        return data[list(neutral(data))].astype(values.dtype)
    if word == "blur":
        return _blurred(values, axes)
    if word == "noise":
        places = tuple(k for k, letter in enumerate(axes) if letter not in "NC")
        mean, deviation = values.mean(places, keepdims=True), values.std(places, keepdims=True)
        drawn: Array = np.asarray(mean + deviation * generator.standard_normal(values.shape))
        return drawn.astype(values.dtype)
    low, high = ends() or guessed_range(values)
    if word == "uniform":
        return np.asarray(generator.uniform(low, high, values.shape), values.dtype)
    full: Array = np.empty_like(values)
    full[...] = low if word == "black" else high
    return full


def _blurred(values: Array, axes: str) -> Array:
    try:
        from scipy.ndimage import gaussian_filter
    except ImportError as error:
        raise InvalidArgumentError("baselines='blur' needs SciPy: pip install scipy") from error
    sigma = [values.shape[k] * BLUR if letter not in "NCF" and k else 0.0 for k, letter in enumerate(axes)]
    if not any(sigma):
        raise InvalidArgumentError(f"baselines='blur' is for inputs with places; this one has the axes {axes}")
    found: Array = gaussian_filter(values, sigma)
    return found
