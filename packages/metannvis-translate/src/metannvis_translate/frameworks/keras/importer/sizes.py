"""Sizes that are known only when the model runs: the batch, and those of images of free size.

Keras' operations take no such size as an argument. What they are needed for is done by tensors that have them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

__all__ = ["Sizes", "is_number", "size_tensor", "spread"]

ops = keras.ops


@dataclass(frozen=True, eq=False)
class Sizes(ConstantValue):
    """An integer tensor whose elements are numbers and (``sympy``) expressions of free sizes."""


def is_number(size: Any) -> bool:
    """Whether a size is known now."""
    return isinstance(size, (int, np.integer))


def with_axis(ctx: KerasImporter, size: Any) -> tuple[Any, int] | None:
    """A model input, and which of its axes is that long."""
    for tensor, order, sizes in ctx.sources():
        for axis, logical in enumerate(order):
            if sizes is not None and sizes[logical] == size:
                return tensor, axis
    return None


def line(ctx: KerasImporter, size: Any, dtype: str, value: int = 0) -> Any:
    """A tensor of one axis of that free size, all zeros or all ones."""
    found = with_axis(ctx, size)
    if found is None and type(size).__name__ == "Mul" and size.args[0].is_Integer:
        return ops.tile(line(ctx, size / size.args[0], dtype, value), (int(size.args[0]),))
    if found is None:
        times, rest = size.as_coeff_Mul()
        if times.is_Integer and times > 1:  # rows or patches that were made samples of their own
            part = ops.reshape(line(ctx, rest, dtype, value), (-1, 1))
            return ops.reshape(ops.tile(part, (1, int(times))), (-1,))
        ctx.refuse(f"the size {size} is known only when the model runs, and is not that of an input's axis")
    tensor, axis = found
    part = tensor[tuple(slice(None) if k == axis else slice(0, 1) for k in range(len(tensor.shape)))]
    make = ops.ones_like if value else ops.zeros_like
    return ops.reshape(make(part, dtype=dtype), (-1,))


def size_tensor(ctx: KerasImporter, size: Any, dtype: str) -> Any:
    """A size as a tensor: a count of elements, added and multiplied as the expression says."""
    if is_number(size) or size.is_Integer:
        return np.asarray(int(size), dtype)
    if with_axis(ctx, size) is not None:
        return ops.sum(line(ctx, size, dtype, 1))
    name = type(size).__name__
    if name == "floor":
        above, below = size.args[0].as_numer_denom()
        if below.is_Integer:
            return ops.floor_divide(size_tensor(ctx, above, dtype), np.asarray(int(below), dtype))
    parts = [size_tensor(ctx, part, dtype) for part in size.args] if name in ("Add", "Mul") else []
    if not parts:
        ctx.refuse(f"the size {size} is known only when the model runs")
    return functools.reduce(ops.add if name == "Add" else ops.multiply, parts)


def spread(ctx: KerasImporter, x: LaidOut, sizes: Sequence[Any]) -> Any:
    """The tensor, its logical axes in order, broadcast to sizes of which some are free: zeros of those sizes are added."""
    tensor = x.tensor
    for _ in range(len(sizes) - x.rank):
        tensor = ops.expand_dims(tensor, 0)
    have = tensor.shape
    offset = len(have) - len(sizes)
    sizes = [1] * offset + list(sizes)
    repeats = [int(size) if is_number(size) and n == 1 else 1 for size, n in zip(sizes, have, strict=True)]
    if any(repeat > 1 for repeat in repeats):
        tensor = ops.tile(tensor, repeats)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    for axis, size in enumerate(sizes):
        if is_number(size) or have[axis] != 1:
            continue
        zeros = ops.reshape(line(ctx, size, dtype), (-1, *[1] * (len(have) - axis - 1)))
        tensor = ops.logical_or(tensor, zeros) if dtype == "bool" else add(tensor, zeros)
    return tensor
