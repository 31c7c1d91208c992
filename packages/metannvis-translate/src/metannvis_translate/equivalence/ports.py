"""Ports: values taken from one model's layout and order to the other's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metannvis_translate.data import Array, Arrays
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.graph import layout
from metannvis_translate.translation import Port


def from_places(arrays: Arrays, ports: Sequence[Port]) -> Arrays:
    """What the target returns, in the source's order."""
    if len(arrays) != len(ports):
        raise InvalidArgumentError(f"the target puts out {len(arrays)} tensors, the source {len(ports)}")
    return [arrays[k if port.place is None else port.place] for k, port in enumerate(ports)]


def to_places(arrays: Arrays, ports: Sequence[Port]) -> Arrays:
    """Values for the outputs, in the target's order."""
    found = list(arrays)
    for array, port in zip(arrays, ports, strict=True):
        if port.place is not None:
            found[port.place] = array
    return found


def as_float(array: Array, dtype: str) -> Array:
    """The array in a float type, ``"float32"`` or ``"float64"``; integers and booleans as they are."""
    return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array


def to_target_layout(array: Array, permutation: Sequence[int]) -> Array:
    """A value of the source in the target's layout: axis ``k`` of the result is axis ``permutation[k]``."""
    return np.asarray(array.transpose(permutation), order="C") if array.ndim == len(permutation) else array


def to_source_layout(array: Array, permutation: Sequence[int] | None) -> Array:
    """A value of the target in the source's layout; ``None``: as it is."""
    if permutation is None or array.ndim != len(permutation):
        return array
    return array.transpose(layout.inverse(permutation))
