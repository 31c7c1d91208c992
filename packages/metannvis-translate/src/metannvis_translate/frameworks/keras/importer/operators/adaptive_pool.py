"""Adaptive pooling: pools to a given size of the result, as PyTorch has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.operators.pool import AVERAGE, GLOBAL_AVERAGE, MAX, pool
from metannvis_translate.frameworks.keras.importer.operators.reduce import first
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import adaptive_windows

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("AdaptiveAveragePool", since=1, domain=DOMAIN)
def AdaptiveAveragePool(ctx: KerasImporter, X: Value, *, output_size: Sequence[int]) -> LaidOut:
    """Native ``GlobalAveragePooling`` or ``AveragePooling``; where windows overlap, a product with their shares an axis."""
    x = image(ctx, X, output_size)
    if all(count == 1 for count in output_size):
        return ctx.keep(x, ctx.layer_of(GLOBAL_AVERAGE[x.rank - 2], x.tensor, keepdims=True))
    sizes = known_sizes(ctx, x)
    if kernel := equal_windows(sizes, output_size):
        return ctx.keep(x, pool(ctx, AVERAGE, x.tensor, kernel, kernel, "valid"))
    tensor = x.tensor
    letters = "nabcd"[: x.rank]
    for axis, (size, count) in enumerate(zip(sizes, output_size, strict=True), 1):
        if size == count:
            continue
        share = np.zeros((size, count), dtype=ctx.compute)
        for k, (begin, end) in enumerate(adaptive_windows(size, count)):
            share[begin:end, k] = 1 / (end - begin)
        summed = letters.replace(letters[axis], "o")
        tensor = ops.einsum(f"{letters},{letters[axis]}o->{summed}", tensor, share)
    return ctx.keep(x, tensor)


@converter("AdaptiveMaxPool", since=1, domain=DOMAIN)
def AdaptiveMaxPool(ctx: KerasImporter, X: Value, *, output_size: Sequence[int]) -> LaidOut | tuple[LaidOut, LaidOut]:
    """Native ``MaxPooling``; where windows overlap, one axis after the other. Ties go to the first element, as in PyTorch."""
    x = image(ctx, X, output_size)
    if ctx.used_outputs() > 1:
        best, places = largest_and_places(x.tensor, known_sizes(ctx, x), output_size)
        return ctx.keep(x, best), ctx.keep(x, places)
    windows: list[Any]
    if None in x.tensor.shape[1:-1] and all(count == 1 for count in output_size):
        windows = [[(0, None)]] * len(output_size)
    else:
        sizes = known_sizes(ctx, x)
        if kernel := equal_windows(sizes, output_size):
            return ctx.keep(x, pool(ctx, MAX, x.tensor, kernel, kernel, "valid"))
        windows = [adaptive_windows(size, count) for size, count in zip(sizes, output_size, strict=True)]
    tensor = x.tensor
    for axis in reversed(range(1, x.rank - 1)):  # a tie goes to the first row, and in it to the first column
        parts = [largest(ctx, tensor[(slice(None),) * axis + (slice(*window),)], axis) for window in windows[axis - 1]]
        tensor = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=axis)
    return ctx.keep(x, tensor)


def largest_and_places(tensor: Any, sizes: Sequence[int], counts: Sequence[int]) -> tuple[Any, Any]:
    """The largest element of each window, and where in the image it stands, counted through all of its axes."""
    n, channels = len(sizes), tensor.shape[-1]
    strides = [math.prod(sizes[k + 1 :]) for k in range(n)]
    table, widths = np.zeros((1,) * 2 * n, dtype=np.int64), []
    for k, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        windows = adaptive_windows(size, count)
        widths.append(max(end - begin for begin, end in windows))
        # a window that is narrower than the widest has its last entry several times
        index = np.array([[min(begin + j, end - 1) for j in range(widths[-1])] for begin, end in windows])
        shape = [1] * 2 * n
        shape[k], shape[n + k] = index.shape
        table = table + index.reshape(shape) * strides[k]
    inside = math.prod(widths)
    table = table.reshape(-1)  # windows, and the entries of each
    line = ops.take(ops.reshape(tensor, (-1, math.prod(sizes), channels)), table.tolist(), axis=1)
    entries = ops.reshape(line, (-1, math.prod(counts), inside, channels))
    index = first(entries, ops.max, 2, keepdims=True)
    best = ops.take_along_axis(entries, index, axis=2)
    line_of = ops.reshape(ops.convert_to_tensor(table), (1, math.prod(counts), inside, 1))
    there = ops.equal(index, np.arange(inside).reshape(1, 1, inside, 1))
    places = ops.sum(ops.where(there, line_of, ops.zeros_like(line_of)), axis=2)
    return ops.reshape(best, (-1, *counts, channels)), ops.reshape(places, (-1, *counts, channels))


def image(ctx: KerasImporter, X: Value, output_size: Sequence[int]) -> LaidOut:
    """The input, its channels last."""
    if X.rank != len(output_size) + 2:
        ctx.refuse("an adaptive pool of an input without a batch is not supported")
    return ctx.channels_last(X)


def known_sizes(ctx: KerasImporter, x: LaidOut) -> list[int]:
    sizes = list(x.tensor.shape[1:-1])
    if None in sizes:
        ctx.refuse("the size of its input is free, and its windows depend on it")
    return sizes


def equal_windows(sizes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    """The window if all are of the same size and lie side by side, else ``()``."""
    if any(size % count for size, count in zip(sizes, counts, strict=True)):
        return ()
    return tuple(size // count for size, count in zip(sizes, counts, strict=True))


def largest(ctx: KerasImporter, tensor: Any, axis: int) -> Any:
    """The first largest element along an axis, kept."""
    size, n = tensor.shape[axis], len(tensor.shape) - 2
    if size is not None and not (n == 3 and ctx.exact):  # TensorFlow has no double kernel for a pool in space
        window = tuple(size if k == axis else 1 for k in range(1, n + 1))
        return ops.max_pool(tensor, window, window, data_format="channels_last")
    return ops.take_along_axis(tensor, first(tensor, ops.max, axis, keepdims=True), axis=axis)
