"""Masked predictions: scores of inputs whose elements are kept by a mask, the rest replaced by baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.metannvis.method import picked
from metannvis_methods.toolsets.metannvis.perturbation.masks import Groups, Masks, cells_of, grid_of, places_of

__all__ = ["Masked", "groups_of", "number_of_groups", "product"]

Array = np.ndarray[Any, Any]
#: Rows of a pass where nobody says.
ROWS = 32
#: NumPy multiplies rows of up to so many numbers by one number slowly.
CHANNELS = 4


class Masked:
    """Scores of a model for masked inputs, a chunk of masks at a time.

    Parameters
    ----------
    call
        Its inputs are masked.
    baselines
        What stands where a mask is zero: a number, or an array or several, as of Captum's methods; ``None``: 0.
    """

    def __init__(self, call: MethodCall, baselines: Any) -> None:
        self.call = call
        self.inputs = [to_numpy(x) for x in call.inputs]
        given = in_order(baselines) or (0,)
        given = given * len(self.inputs) if len(given) == 1 else given
        self.baselines = [
            np.broadcast_to(to_numpy(b).astype(x.dtype), x.shape) for b, x in zip(given, self.inputs, strict=True)
        ]
        self.samples = len(self.inputs[0])
        self.at_once = max(1, (call.batch_size or ROWS) // self.samples)

    def chunks(self, count: int) -> Iterator[tuple[int, int]]:
        """From which mask to which the passes go."""
        return ((start, min(start + self.at_once, count)) for start in range(0, count, self.at_once))

    def maps(self, masks: Sequence[Masks], numbers: Sequence[Array]) -> tuple[list[Array], bool]:
        """Numbers of the cells or places of each input as maps of its dtype, and whether they have the axis of channels."""
        made = [part.values(values) for part, values in zip(masks, numbers, strict=True)]
        found = [values.astype(np.result_type(x, np.float32)) for (values, _), x in zip(made, self.inputs, strict=True)]
        return found, made[0][1]

    def scores(self, masks: Sequence[Masks], start: int, stop: int) -> Array:
        """Scores under some of the masks, one :class:`Masks` an input: shape ``(k, N)``, float64.

        Raises
        ------
        InvalidArgumentError
            An input holds whole numbers, and a mask is neither zero nor one.
        """
        rows = []
        for x, b, mask in zip(self.inputs, self.baselines, masks, strict=True):
            m = mask.applied(start, stop)
            if x.dtype.kind != "f":
                if not np.isin(m, (0, 1)).all():
                    raise InvalidArgumentError(
                        f"{self.call.spec.key} keeps parts of numbers, and an input holds whole numbers (indices), of which "
                        "there are none: take feature_ablation or shapley_value_sampling"
                    )
                masked = np.where(m.astype(bool), x, b)
            elif b.any():
                masked = b + product(m.astype(x.dtype, copy=False), x - b)
            else:
                masked = product(m.astype(x.dtype, copy=False), x)
            rows.append(masked.reshape(-1, *x.shape[1:]))
        found = picked(self.call.predict(*rows), self.call.target, self.samples)
        return np.asarray(found, np.float64).reshape(stop - start, self.samples)


def product(masks: Array, values: Array) -> Array:
    """``masks * values``, channel by channel where a mask is the same for a few channels that lie last: twice as fast."""
    channels = values.shape[-1]
    if masks.shape[-1] != 1 or not 1 < channels <= CHANNELS:
        return np.asarray(masks * values)
    found = np.empty((*np.broadcast_shapes(masks.shape[:-1], values.shape[:-1]), channels), values.dtype)
    for channel in range(channels):
        np.multiply(masks[..., 0], values[..., channel], out=found[..., channel])
    return found


def groups_of(call: MethodCall, feature_mask: Any, cells: int) -> tuple[list[Array], int]:
    """Group of each element of each input, and how many groups there are; a grid of cells where no mask says.

    A group of the mask that several inputs have is one.
    """
    if feature_mask is not None:
        masks = [to_numpy(item) for item in in_order(feature_mask)]
        numbers = np.unique(np.concatenate([mask.ravel() for mask in masks]))
        return [np.searchsorted(numbers, mask) for mask in masks], len(numbers)
    found, first = [], 0
    for x, axes in zip(call.inputs, call.axes, strict=True):
        shape = tuple(x.shape)
        number = cells_of(shape, axes, cells, single=False)
        found.append(first + grid_of([shape[k] for k in places_of(axes)], number))
        first += int(np.prod(number))
    return found, first


def number_of_groups(call: MethodCall, cells: int) -> int:
    """Groups that a call has: those of its mask, else cells of the grid."""
    return groups_of(call, call.option("feature_mask"), cells)[1]


def as_groups(call: MethodCall, members: Sequence[Array], numbers: Array) -> list[Masks]:
    """Groups of each input under the same numbers, shape ``(n, groups)``."""
    return [
        Groups(numbers, item, tuple(x.shape), axes)
        for item, x, axes in zip(members, call.inputs, call.axes, strict=True)
    ]
