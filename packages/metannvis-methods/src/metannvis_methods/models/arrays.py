"""Arrays: values of any framework as NumPy, of one input or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["all_finite", "count_of", "in_order", "in_pieces", "numbers", "several", "to_numpy"]

Array = np.ndarray[Any, Any]


def to_numpy(value: Any) -> Array:
    """An array, a tensor of any framework, or nested lists, as NumPy; imports nothing.

    Raises
    ------
    InvalidArgumentError
        It holds no numbers.
    """
    if hasattr(value, "detach"):  # PyTorch; NumPy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    try:
        array = np.asarray(_numpy_of(value) if hasattr(value, "numpy") else value)
    except (ValueError, NotImplementedError) as error:  # lists of unequal lengths; a symbolic tensor
        raise InvalidArgumentError(f"no array of numbers: {error}") from error
    if array.dtype.kind not in "biufV":
        raise InvalidArgumentError(f"no array of real numbers: its dtype is {array.dtype}")
    if not array.dtype.isnative:  # as some files have it, and no framework takes it
        array = array.astype(array.dtype.newbyteorder("="))
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array


def all_finite(array: Array) -> bool:
    """Whether there is neither NaN nor infinity in an array; a sum that is finite says so of all of it, and takes less."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _numpy_of(tensor: Any) -> Any:
    try:
        return tensor.numpy()
    except TypeError:  # PyTorch's sparse tensors
        if not hasattr(tensor, "to_dense"):
            raise
        return tensor.to_dense().numpy()


def count_of(values: Any) -> int:
    """How many samples a value of any kind has; variables of TensorFlow have a shape, and lists have a length."""
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def in_order(values: Any, names: Sequence[str] | None = None) -> tuple[Any, ...]:
    """Values of one or several inputs as a tuple; a dict is put in the order of ``names``.

    Nothing is an empty tuple; inputs at the end may be left out.

    Raises
    ------
    InvalidArgumentError
        The dict has several values, and their names are not those of the model's inputs.
    """
    if values is None:
        return ()
    if isinstance(values, Mapping):
        if not names or len(values) == 1:
            return tuple(values.values())
        if set(values) != set(names[: len(values)]):
            raise InvalidArgumentError(
                f"the model's inputs are called {', '.join(names)}, not {', '.join(map(str, values))}"
            )
        return tuple(values[name] for name in names[: len(values)])
    return tuple(values) if several(values) else (values,)


def numbers(value: Any) -> Any:
    """What a function of the caller's returned, if it can be made a tensor of numbers.

    Raises
    ------
    InvalidArgumentError
        It returned something else.
    """
    holds = isinstance(value, (int, float, np.number, np.ndarray)) or (
        isinstance(value, (list, tuple))
        and all(isinstance(item, (int, float, np.number, np.ndarray)) for item in value)
    )
    if hasattr(value, "shape") or holds:
        return value
    raise InvalidArgumentError(
        f"the target function returned a {type(value).__name__}; it returns a tensor with one number a sample"
    )


def several(values: Any) -> bool:
    """Whether a value is several inputs: a dict, a tuple, a list of arrays. Other lists are one array."""
    if isinstance(values, list):
        return bool(values) and all(hasattr(value, "shape") and value.ndim for value in values)
    return isinstance(values, (tuple, Mapping))


def in_pieces(
    predict: Callable[[Sequence[Any]], list[Array]], inputs: Sequence[Any], size: int | None, *, exact: bool = True
) -> list[Array]:
    """Outputs for all samples of a model that takes so many at a time; any number if it is ``None``.

    ``exact``: it takes neither more nor less.
    """
    counts = {int(value.shape[0]) for value in inputs if getattr(value, "shape", ())}
    if size is None or len(counts) != 1 or counts == {size} or (not exact and max(counts) <= size):
        return predict(inputs)
    (count,) = counts
    if exact and count % size:
        raise InvalidArgumentError(f"{count} samples, and the model takes exactly {size} at a time")
    parts = [predict([value[start : start + size] for value in inputs]) for start in range(0, count, size)]
    return [np.concatenate(pieces) if pieces[0].ndim else np.stack(pieces) for pieces in zip(*parts, strict=True)]
