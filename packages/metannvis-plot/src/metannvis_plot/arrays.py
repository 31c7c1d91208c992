"""Labelled arrays: a letter for each axis, and the reductions to one picture, line or row of bars.

The letters are those of the translator: N batch, C channels, D H W spatial, L the one axis of a signal, T
tokens, F features, ``?`` unknown. A picture is recognised by its letters and never by its shape, so
channels-first and channels-last arrays of the same content give the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from metannvis_translate.errors import InvalidArgumentError
from numpy.typing import NDArray

Array = NDArray[Any]
Reduction = Literal["sum", "mean", "max_abs"]
Sign = Literal["both", "positive", "negative", "absolute"]
Family = Literal["image", "signal", "tokens", "features"]

ORDER = "NCDHWLTF"
# Larger values overflow inside matplotlib, which subtracts the two ends of a colour scale from each other.
LARGEST = 1e300

_SIGNS = get_args(Sign)
_WORDS = {"C": "channels", "F": "features", "D": "slices", "T": "tokens", "L": "positions"}
_REDUCTIONS: dict[str, str] = {"sum": "sum over", "mean": "mean over", "max_abs": "max |value| over"}


@dataclass(frozen=True)
class Labelled:
    """An array in the canonical order of its axes: ``N C D H W L T F``, as far as it has them; N always."""

    data: Array
    axes: str

    @property
    def samples(self) -> int:
        """Length of the batch."""
        return int(self.data.shape[0])

    def size(self, letter: str) -> int:
        """Length of an axis, 1 if there is none of that letter."""
        return int(self.data.shape[self.axes.index(letter)]) if letter in self.axes else 1

    @property
    def family(self) -> Family:
        """What the axes can be drawn as.

        Raises
        ------
        InvalidArgumentError
            If the letters together make neither a picture, nor a signal, nor tokens, nor features.
        """
        rest = set(self.axes) - {"N"}
        if {"H", "W"} <= rest and rest <= set("CDHW"):
            return "image"
        if "L" in rest and rest <= set("CL"):
            return "signal"
        if "T" in rest and rest <= set("CTF"):
            return "tokens"
        if rest <= set("CF"):
            return "features"
        raise InvalidArgumentError(
            f"axes {self.axes!r} cannot be drawn: a picture has H and W (and C, D), a signal L (and C), "
            "tokens T (and F), a vector F or C; give axes= with those letters"
        )


def as_array(values: Any, what: str = "values") -> Array:
    """A finite, non-empty NumPy array of `values` (array, nested lists, a PyTorch or TensorFlow tensor).

    Raises
    ------
    InvalidArgumentError
        If the values are no numbers, complex, empty, NaN, infinite or too large to draw.
    """
    if callable(getattr(values, "detach", None)):
        # A PyTorch tensor: NumPy knows no bfloat16, no gradients and no device.
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "buif":
            if array.dtype.kind in "cOSUmM":
                raise TypeError(f"dtype {array.dtype}")
            array = array.astype(np.float64)  # bfloat16 and similar
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{what} must be an array of real numbers, not {_kind(values)}: {error}") from error
    if array.size == 0:
        raise InvalidArgumentError(f"{what} of shape {array.shape} is empty: there is nothing to draw")
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise InvalidArgumentError(
                f"{what} has {int(bad.sum())} NaN or infinite of {array.size} values, the first at {first}: "
                "a picture of them would mislead; replace them (numpy.nan_to_num) or look for their cause"
            )
        if float(np.abs(array).max()) > LARGEST:
            raise InvalidArgumentError(f"{what} is beyond {LARGEST:g} and cannot be drawn: scale it first")
    return array


def label(values: Any, axes: str | None = None, what: str = "values") -> Labelled:
    """`values` with its axes named, transposed to the canonical order; a missing batch axis is added.

    Parameters
    ----------
    values : array_like
    axes : str, optional
        One letter an axis. Without it a 2-D array is a picture ``"HW"`` and a 1-D array a vector ``"F"``;
        for any other array the axes must be given, since guessing them from a shape is wrong for some.
    what : str
        How an error message calls the array.

    Raises
    ------
    InvalidArgumentError
        If the axes do not fit the array, or are missing, unknown or doubled.
    """
    array = as_array(values, what)
    axes = _check_axes(array, axes, what)
    for position in reversed(range(array.ndim)):  # an unknown axis of length 1 is dropped
        if axes[position] == "?" and array.shape[position] == 1:
            array, axes = array.squeeze(position), axes[:position] + axes[position + 1 :]
    if "?" in axes:
        if set(axes) - {"N", "?"} or axes.count("?") > 1:
            raise InvalidArgumentError(
                f"{what} of shape {array.shape} has unknown axes {axes!r}: give axes= with a letter each, e.g. 'NCHW'"
            )
        axes = axes.replace("?", "F")
    order = [axes.index(letter) for letter in ORDER if letter in axes]
    # A contiguous copy: a sum over channels rounds differently along different strides, and the same picture
    # must come out of every layout.
    array = np.array(array.transpose(order), order="C")
    axes = "".join(axes[k] for k in order)
    if "N" not in axes:
        array, axes = array.reshape((1, *array.shape)), "N" + axes
    return Labelled(array, axes)


def choose_samples(labelled: Labelled, sample: int | Sequence[int] | None, limit: int) -> tuple[list[int], str]:
    """Indices of the samples to draw, and what has to be said if that is not all of them.

    Raises
    ------
    InvalidArgumentError
        If an index is outside the batch, or none is asked for.
    """
    count = labelled.samples
    if sample is None:
        shown = list(range(min(count, max(1, limit))))
        return shown, f"first {len(shown)} of {count} samples (max_samples={limit})" if len(shown) < count else ""
    asked: list[Any] = list(np.atleast_1d(np.asarray(sample)))
    if not asked or not all(isinstance(i, np.integer) for i in asked):
        raise InvalidArgumentError(f"sample must be an index or a list of indices, not {sample!r}")
    outside = [int(i) for i in asked if not -count <= i < count]
    if outside:
        raise InvalidArgumentError(f"sample {outside[0]} is outside the batch of {count}")
    return [int(i) % count for i in asked], ""


def one(labelled: Labelled, sample: int) -> Labelled:
    """The sample alone, still with its axis N, in float64 unless it is of unsigned bytes."""
    data = labelled.data[sample : sample + 1]
    return Labelled(data if data.dtype == np.uint8 else data.astype(np.float64), labelled.axes)


def reduce_to(labelled: Labelled, keep: str, rule: str = "sum") -> tuple[Array, str]:
    """One sample's array of the axes `keep`, every other one reduced, and the rule in words.

    Parameters
    ----------
    labelled : Labelled
        One sample (N is 1).
    keep : str
        The letters that remain, in this order.
    rule : {"sum", "mean", "max_abs"}
        ``sum`` keeps the sign and the total, ``max_abs`` is the largest magnitude. Channels that are all equal, as those of a
        mask that covers them, are shown once.
    """
    if rule not in _REDUCTIONS:
        raise InvalidArgumentError(f"reduce must be one of {', '.join(map(repr, _REDUCTIONS))}, not {rule!r}")
    data: Array = np.asarray(labelled.data[0], dtype=np.float64)
    letters = labelled.axes[1:]
    dropped = tuple(k for k, letter in enumerate(letters) if letter not in keep)
    note = ""
    if dropped:
        sizes = [f"{data.shape[k]} {_WORDS.get(letters[k], letters[k])}" for k in dropped if data.shape[k] > 1]
        note = f"{_REDUCTIONS[rule]} {' and '.join(sizes)}" if sizes else ""
        channel = letters.find("C")
        if rule == "sum" and channel in dropped and data.shape[channel] > 1 and _same_along(data, channel):
            # a feature of all channels has one value, which the sum would multiply
            data, note = data.take([0], axis=channel), f"one of {data.shape[channel]} equal channels"
        if rule == "max_abs" and sizes:
            data = np.abs(data).max(axis=dropped)
        else:
            data = data.sum(axis=dropped) if rule != "mean" else data.mean(axis=dropped)
    rest = [letter for letter in letters if letter in keep]
    return data.transpose([rest.index(letter) for letter in keep if letter in rest]), note


def _same_along(data: Array, axis: int) -> bool:
    return bool(np.array_equal(data, np.broadcast_to(data.take([0], axis=axis), data.shape)))


def take_slice(labelled: Labelled, depth: int | None) -> tuple[Labelled, int | None, str]:
    """One slice along D of a sample: the one asked for, else that of the largest mean magnitude."""
    if "D" not in labelled.axes:
        if depth is not None:
            raise InvalidArgumentError(f"depth={depth} was given, but axes {labelled.axes!r} have no D")
        return labelled, None, ""
    axis, count = labelled.axes.index("D"), labelled.size("D")
    why = ""
    if depth is None:
        others = tuple(k for k in range(labelled.data.ndim) if k != axis)
        depth = int(np.abs(labelled.data.astype(np.float64)).mean(axis=others).argmax())
        why = ", largest mean |value|"
    elif not -count <= depth < count:
        raise InvalidArgumentError(f"depth {depth} is outside the {count} slices")
    depth %= count
    data = labelled.data.take(depth, axis=axis)
    return Labelled(data, labelled.axes.replace("D", "")), depth, f"slice {depth} of {count}{why}"


def part_of(values: Array, sign: str) -> tuple[Array, str]:
    """The values of one sign, or their magnitudes, and that in words.

    Parameters
    ----------
    values : ndarray
    sign : {"both", "positive", "negative", "absolute"}
    """
    if sign not in _SIGNS:
        raise InvalidArgumentError(f"sign must be one of {', '.join(map(repr, _SIGNS))}, not {sign!r}")
    if sign == "absolute":
        return np.abs(values), "|value|"
    if sign == "both":
        return values, ""
    return (np.maximum if sign == "positive" else np.minimum)(values, 0), f"{sign} values only"


def plane(labelled: Labelled, sample: int, rule: str, depth: int | None, sign: str = "both") -> tuple[Array, list[str]]:
    """The ``(H, W)`` map of one sample, and what was done to get it, in words."""
    if labelled.family != "image":
        raise InvalidArgumentError(
            f"a heat map needs axes H and W, these are {labelled.axes!r}: use bars, curve or tokens, or plot"
        )
    flat, _, slice_note = take_slice(one(labelled, sample), depth)
    values, note = reduce_to(flat, "HW", rule)
    values, part = part_of(values, sign)
    return values, [text for text in (note, slice_note, part) if text]


def _check_axes(array: Array, axes: str | None, what: str) -> str:
    if axes is None:
        if array.ndim not in (1, 2):
            raise InvalidArgumentError(
                f"{what} of shape {array.shape} needs axes=, one letter an axis, e.g. 'NCHW' or 'NHWC': "
                "they are not guessed from the shape"
            )
        return "HW" if array.ndim == 2 else "F"
    if not isinstance(axes, str):
        raise InvalidArgumentError(f"axes of {what} must be a string such as 'NCHW', not {axes!r}")
    if len(axes) != array.ndim:
        raise InvalidArgumentError(f"{what} of shape {array.shape} has {array.ndim} axes, {axes!r} names {len(axes)}")
    unknown = sorted(set(axes) - set(ORDER) - {"?"})
    if unknown:
        raise InvalidArgumentError(f"axes {axes!r} of {what}: {unknown[0]!r} is none of the letters N C D H W L T F ?")
    doubled = sorted(letter for letter in set(axes) - {"?"} if axes.count(letter) > 1)
    if doubled:
        raise InvalidArgumentError(f"axes {axes!r} of {what} name {doubled[0]!r} twice")
    return axes


def _kind(values: Any) -> str:
    return type(values).__name__
