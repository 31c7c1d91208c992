"""Dynamic axes: sizes beside the batch that a caller leaves free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError

if TYPE_CHECKING:
    from metannvis_translate.frameworks.protocol import Framework

__all__ = ["free_axes"]

Array = np.ndarray[Any, Any]


def free_axes(
    shapes: Any, inputs: Sequence[Array] | Mapping[str, Array], source: Framework, model: Any
) -> list[tuple[int, ...]]:
    """For each input the axes of free size beside the batch; an empty list if there is none at all.

    Without ``shapes`` they are those of the model itself, as far as it says.

    Raises
    ------
    InvalidArgumentError
        The shapes are not those of the example inputs, or the source says itself which of its sizes are free.
    """
    names = list(inputs) if isinstance(inputs, Mapping) else None
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    declared = source.declared_shapes(model)
    if shapes is None:
        return [] if declared is None else _own(declared, names, arrays)
    if declared is None:
        raise InvalidArgumentError(f"shapes= is for models that do not say what they take; a {source.label} model does")
    found = [_axes(shape, array) for shape, array in zip(_listed(shapes, names, len(arrays)), arrays, strict=True)]
    return found if any(found) else []


def _own(
    declared: Mapping[str, Sequence[int | None]], names: Sequence[str] | None, arrays: Sequence[Array]
) -> list[tuple[int, ...]]:
    """The axes that a model leaves free itself; a size of one in its example would be taken for a constant."""
    if len(declared) != len(arrays) or set(names or declared) != set(declared):
        return []  # what is wrong with these inputs is said where they are used
    shapes = [declared[name] for name in names or declared]
    if any(len(shape) != array.ndim for shape, array in zip(shapes, arrays, strict=True)):
        return []
    found = [
        tuple(axis for axis, size in enumerate(shape) if size is None and axis > 0 and array.shape[axis] > 1)
        for shape, array in zip(shapes, arrays, strict=True)
    ]
    return found if any(found) else []


def _listed(shapes: Any, names: Sequence[str] | None, count: int) -> list[Any]:
    """One shape an input, in order."""
    if isinstance(shapes, Mapping):
        unknown = sorted(set(map(str, shapes)) - set(names or ()))
        if unknown:
            raise InvalidArgumentError(f"shapes= names {unknown}, the example inputs are {list(names or ())}")
        return [shapes.get(name) for name in names or ()]
    if not isinstance(shapes, (list, tuple)):
        raise InvalidArgumentError(f"shapes={shapes!r}: give a shape an input, as (None, 3, None, None)")
    shapes = list(shapes) if any(isinstance(shape, (list, tuple)) for shape in shapes) else [shapes]
    if len(shapes) != count:
        raise InvalidArgumentError(f"shapes= has {len(shapes)} shapes for {count} inputs")
    return shapes


def _axes(shape: Any, array: Array) -> tuple[int, ...]:
    if shape is None:  # nothing is said of this input
        return ()
    fits = len(shape) == array.ndim and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=False)
    )
    if not fits:
        raise InvalidArgumentError(
            f"shapes= says {tuple(shape)}, the example input has the shape {array.shape}; None stands for a free size"
        )
    free = tuple(axis for axis, size in enumerate(shape) if size is None and axis > 0)
    if any(array.shape[axis] < 2 for axis in free):
        raise InvalidArgumentError(
            f"a free size is 1 in the example input {array.shape}: that would be taken for a constant"
        )
    return free
