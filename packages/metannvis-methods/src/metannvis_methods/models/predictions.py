"""Predictions: the output that is explained, for a method that asks a model for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import Array, ModelAdapter
from metannvis_methods.models.view import View, Within

__all__ = ["predict"]


def predict(
    adapter: ModelAdapter,
    model: Any,
    inputs: Sequence[Any],
    view: View | None = None,
    passed: Callable[[int], None] | None = None,
) -> Array:
    """The model's output for some inputs.

    Parameters
    ----------
    inputs
        One an input of the model, NumPy or tensors, shape ``(N, …)``, in the model's layout.
    view
        Which output is seen, or a score of it, and how many rows at once; ``None``: the only one, all at once. A model that
        takes one number of rows is given as many, the last repeated.
    passed
        Called with the number of rows after each pass.

    Returns
    -------
    numpy.ndarray
        Shape ``(N, …)``; ``(N,)`` of a score.

    Raises
    ------
    InvalidArgumentError
        The model does not run on such inputs, or has several outputs and no view says which.
    """
    seen = view or View()
    count, fixed, found = len(inputs[0]), adapter.fixed_batch(model), []
    rows = seen.rows or max(count, 1)
    for start in range(0, count, rows):
        if seen.before_pass is not None:
            seen.before_pass()
        size = min(rows, count - start)
        parts = [_padded(value[start : start + size], fixed) for value in inputs]
        if seen.within is not None:
            parts[0] = _in_volume(parts[0], seen.within)
        outputs = adapter.predict(model, [adapter.as_input(model, part, place) for place, part in enumerate(parts)])
        if passed is not None:
            passed(size)
        if view is None and len(outputs) != 1:
            raise InvalidArgumentError(f"the model has {len(outputs)} outputs; explain a model that has one of them")
        output = outputs[seen.place][:size]
        found.append(seen.scores[0](output)[0] if seen.scores else output)
    return found[0] if len(found) == 1 else np.concatenate(found)


def _in_volume(rows: Any, within: Within) -> Array:
    """Slices, shape ``(N, …)``, each in its volume, shape ``(N, …)`` with an axis more."""
    slices, volume = to_numpy(rows), to_numpy(within.volume)
    whole = np.repeat(volume, len(slices), axis=0).astype(slices.dtype, copy=False)
    whole[(slice(None),) * within.axis + (within.place,)] = slices
    return whole


def _padded(value: Any, fixed: int | None) -> Any:
    """Rows as many as a model takes that takes one number of them only."""
    lacks = 0 if fixed is None else -len(value) % fixed
    if not lacks:
        return value
    array = to_numpy(value)
    return np.concatenate([array, np.repeat(array[-1:], lacks, axis=0)])
