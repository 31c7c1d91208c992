"""Devices and precision of a run: where the model is, and half precision where that does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.errors import first_line
from metannvis_translate.frameworks import get_framework

from metannvis_methods.errors import InvalidArgumentError, PrecisionWarning, ToolsetError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.guard import seeded
from metannvis_methods.running.notices import tell
from metannvis_methods.running.words import Words

__all__ = ["check_device_words", "in_half_precision"]


def check_device_words(words: Words, adapter: ModelAdapter) -> None:
    """Refuse a device that is not there, and half precision where there is no such thing, before anything is translated.

    Raises
    ------
    InvalidArgumentError
        The message says what there is.
    """
    there = () if words.device is None else adapter.devices()
    if words.device is not None and words.device not in there:
        raise InvalidArgumentError(f"device={words.device!r} is not there; there {_are(there)}, and 'auto'")
    if words.autocast is not None and adapter.no_autocast:
        label = get_framework(adapter.key).label if adapter.key else "this"
        raise InvalidArgumentError(f"autocast: the method runs in {label}. {adapter.no_autocast}")


def _are(names: tuple[str, ...]) -> str:
    return f"are {', '.join(names)}" if len(names) > 1 else f"is {', '.join(names)}"


def in_half_precision(
    call: RunningCall, adapter: ModelAdapter, run: Callable[[RunningCall], MethodOutput]
) -> MethodOutput:
    """A method's result with passes in half precision; in the model's own where that is not finite, or fails.

    Raises
    ------
    InvalidArgumentError
        The model computes in double precision.

    Warns
    -----
    PrecisionWarning
        It was in the model's own.
    """
    dtype = adapter.float_dtype(call.model)
    if dtype == "float64":
        raise InvalidArgumentError(
            "autocast is for models of single precision, and this one computes in double precision"
        )
    half = adapter.half_precision(call.model, call.words.autocast)
    try:
        output = run(dataclasses.replace(call, half=half))
    except ToolsetError as error:
        why = f"failed ({first_line(error)})"
    else:
        values = output.values if isinstance(output.values, (tuple, list)) else (output.values,)
        arrays = [None if value is None else to_numpy(value) for value in values]
        finite = all(array is None or array.dtype.kind != "f" or np.isfinite(array).all() for array in arrays)
        if finite and not half.broken:
            return _single(output, arrays)
        why = "gave numbers that are not finite (NaN or infinity)"
    with seeded(call.seed):
        output = run(call)
    tell(f"{call.spec.key} in {half.name} {why}, so it was run in {dtype}", PrecisionWarning)
    return output


def _single(output: MethodOutput, arrays: list[Any]) -> MethodOutput:
    """Half precision is of no use to those who read the values."""
    single = [
        array.astype(np.float32) if array is not None and array.dtype == np.float16 else array for array in arrays
    ]
    delta = None if output.delta is None else to_numpy(output.delta)
    several = isinstance(output.values, (tuple, list))
    return dataclasses.replace(output, values=tuple(single) if several else single[0], delta=delta)
