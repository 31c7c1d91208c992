"""Pooling over windows and over everything, and its inverse."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.operators.conv import (
    ZERO_PADDING,
    declared_pads,
    equals_same,
    spatial_sizes,
)
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sliding_windows import Windows, is_float, lowest
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import Pads, ceil_mode_pads, pairs, steps, unpooled_sizes

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops

MAX = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
AVERAGE = {1: layers.AveragePooling1D, 2: layers.AveragePooling2D, 3: layers.AveragePooling3D}
GLOBAL_MAX = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}
GLOBAL_AVERAGE = {1: layers.GlobalAveragePooling1D, 2: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling3D}


@converter("MaxPool", since=1)
def MaxPool(
    ctx: KerasImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (),
    storage_order: int = 0,
    strides: Sequence[int] = (),
) -> LaidOut | tuple[LaidOut, ...]:
    """Native ``MaxPooling``; padding is minus infinity, never zero. Dilated windows are a maximum over shifted slices."""
    x = ctx.channels_last(X)
    n = len(kernel_shape)
    strides, dilations = steps(strides, dilations, n)
    sizes = spatial_sizes(ctx, n)
    amounts = window_pads(ctx, auto_pad, pads, sizes, kernel_shape, strides, dilations, ceil_mode)
    if ctx.used_outputs() > 1:
        grid = Windows.of(ctx, sizes, amounts, kernel_shape, strides, dilations)
        best, index = grid.maximum(x.tensor, column_major=bool(storage_order))
        return ctx.keep(x, best), ctx.keep(x, index)
    if any(d > 1 for d in dilations) or not is_float(x.tensor):
        grid = Windows.of(ctx, sizes, amounts, kernel_shape, strides, dilations)
        return ctx.keep(x, functools.reduce(ops.maximum, grid.parts(x.tensor, lowest(x.tensor))))
    same = amounts is None or equals_same(amounts, sizes, kernel_shape, strides, dilations)
    tensor, padding = x.tensor, "same" if same else "valid"
    if padding == "valid" and amounts is not None and any(pad != (0, 0) for pad in amounts):
        if n == 3 and ctx.exact:
            return ctx.keep(x, pool_3d_in_parts(ctx, MAX, tensor, kernel_shape, strides, padding, amounts))
        tensor = ops.pad(tensor, [(0, 0), *amounts, (0, 0)], constant_values=-np.inf)
    return ctx.keep(x, pool(ctx, MAX, tensor, kernel_shape, strides, padding))


@converter("AveragePool", since=1)
def AveragePool(
    ctx: KerasImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] = (),
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """Native ``AveragePooling``; ``same`` leaves padding out of the mean, an explicit zero padding counts it."""
    x = ctx.channels_last(X)
    n = len(kernel_shape)
    strides, dilations = steps(strides, dilations, n)
    sizes = spatial_sizes(ctx, n)
    declared = declared_pads(ctx, auto_pad, pads, sizes, kernel_shape, strides, dilations)
    amounts = window_pads(ctx, auto_pad, pads, sizes, kernel_shape, strides, dilations, ceil_mode)
    if any(d > 1 for d in dilations):
        grid = Windows.of(ctx, sizes, amounts, kernel_shape, strides, dilations)
        counts = grid.counts(declared if count_include_pad else None)[None, ..., None].astype(ctx.compute)
        return ctx.keep(x, ops.divide(functools.reduce(ops.add, grid.parts(x.tensor, 0.0)), counts))
    if amounts is None or declared is None:
        if count_include_pad:
            ctx.refuse("a 'same' average that counts its padding needs to know the input's size")
        return ctx.keep(x, pool(ctx, AVERAGE, x.tensor, kernel_shape, strides, "same"))
    if all(pad == (0, 0) for pad in amounts):
        return ctx.keep(x, pool(ctx, AVERAGE, x.tensor, kernel_shape, strides, "valid"))
    counts_all = count_include_pad and amounts == declared
    if not count_include_pad and equals_same(amounts, sizes, kernel_shape, strides, dilations):
        return ctx.keep(x, pool(ctx, AVERAGE, x.tensor, kernel_shape, strides, "same"))
    padded = ZERO_PADDING[n](
        amounts[0] if n == 1 else tuple(amounts), name=ctx.unique(ctx.name("pad")), dtype=ctx.compute
    )(x.tensor)
    result = pool(ctx, AVERAGE, padded, kernel_shape, strides, "valid")
    if not counts_all:
        if any(size is None for size in sizes):
            ctx.refuse("an average that leaves its padding out needs to know the input's size")
        known = [int(size or 0) for size in sizes]
        share = counted_share(known, amounts, declared if count_include_pad else None, kernel_shape, strides)
        result = ops.divide(result, share[None, ..., None].astype(ctx.compute))
    return ctx.keep(x, result)


@converter("GlobalMaxPool", since=1)
def GlobalMaxPool(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.channels_last(X)
    return ctx.keep(x, ctx.layer_of(GLOBAL_MAX[x.rank - 2], x.tensor, keepdims=True))


@converter("GlobalAveragePool", since=1)
def GlobalAveragePool(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.channels_last(X)
    return ctx.keep(x, ctx.layer_of(GLOBAL_AVERAGE[x.rank - 2], x.tensor, keepdims=True))


def window_pads(
    ctx: KerasImporter,
    auto_pad: str,
    pads: Sequence[int],
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: int,
) -> Pads | None:
    """Padding (begin, end) an axis, with what ``ceil_mode`` adds at the end."""
    amounts = declared_pads(ctx, auto_pad, pads, sizes, kernel, strides, dilations)
    if not ceil_mode or amounts is None:
        return amounts
    if any(size is None and s > 1 for size, s in zip(sizes, strides, strict=True)):
        ctx.refuse("ceil_mode needs to know the input's size, which is free")
    return ceil_mode_pads(amounts, sizes, kernel, strides, dilations)


def pool(
    ctx: KerasImporter, table: dict[int, Any], tensor: Any, kernel: Sequence[int], strides: Sequence[int], padding: str
) -> Any:
    n = len(kernel)
    if n == 3 and ctx.exact:
        return pool_3d_in_parts(ctx, table, tensor, kernel, strides, padding)
    size, step = (kernel[0], strides[0]) if n == 1 else (tuple(kernel), tuple(strides))
    return ctx.layer_of(table[n], tensor, pool_size=size, strides=step, padding=padding)


def pool_3d_in_parts(
    ctx: KerasImporter,
    table: dict[int, Any],
    tensor: Any,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
    pads: Pads | None = None,
) -> Any:
    """A 3-D pool as a 2-D one over (H, W) and another over D: TensorFlow has no double kernel for it on the CPU.

    ``pads`` of minus infinity go in front of the pool that they are for: a window of nothing else has no maximum.
    """
    if pads is not None:
        tensor = ops.pad(tensor, [(0, 0), (0, 0), *pads[1:], (0, 0)], constant_values=-np.inf)
    _, d, h, w, c = tensor.shape
    flat = ops.reshape(tensor, (-1, h, w, c))
    flat = ctx.layer_of(
        table[2], flat, name=ctx.name("plane"), pool_size=tuple(kernel[1:]), strides=tuple(strides[1:]), padding=padding
    )
    _, h, w, _ = flat.shape
    column = ops.reshape(flat, (-1, d, h * w, c))
    if pads is not None:
        column = ops.pad(column, [(0, 0), pads[0], (0, 0), (0, 0)], constant_values=-np.inf)
    column = ctx.layer_of(table[2], column, pool_size=(kernel[0], 1), strides=(strides[0], 1), padding=padding)
    return ops.reshape(column, (-1, column.shape[1], h, w, c))


def counted_share(
    sizes: Sequence[int], amounts: Pads, declared: Pads | None, kernel: Sequence[int], strides: Sequence[int]
) -> np.ndarray[Any, Any]:
    """Which share of each window is counted in its mean, shape (*output sizes): input, and declared padding if given."""
    share = np.ones(())
    for axis, (size, pad, k, s) in enumerate(zip(sizes, amounts, kernel, strides, strict=True)):
        begin, end = declared[axis] if declared is not None else (0, 0)
        counted = np.zeros(size + sum(pad))
        counted[pad[0] - begin : pad[0] + size + end] = 1
        out = (len(counted) - k) // s + 1
        line = np.array([counted[i * s : i * s + k].mean() for i in range(out)])
        share = share[..., None] * line
    return share


@converter("LpPool", since=1)
def LpPool(
    ctx: KerasImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    kernel_shape: Sequence[int],
    p: int = 2,
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """(Σ |x|ᵖ)^(1/p) over each window."""
    x = ctx.channels_last(X)
    n = len(kernel_shape)
    strides, dilations = steps(strides, dilations, n)
    sizes = spatial_sizes(ctx, n)
    amounts = window_pads(ctx, auto_pad, pads, sizes, kernel_shape, strides, dilations, ceil_mode)
    grid = Windows.of(ctx, sizes, amounts, kernel_shape, strides, dilations)
    return ctx.keep(x, root(functools.reduce(ops.add, grid.parts(to_power(x.tensor, p), 0.0)), p))


@converter("GlobalLpPool", since=2)
def GlobalLpPool(ctx: KerasImporter, X: Value, *, p: int = 2) -> LaidOut:
    x = ctx.placed(X)
    axes = [x.axis(a) for a in range(2, x.rank)]
    return ctx.keep(x, root(ops.sum(to_power(x.tensor, p), axis=axes, keepdims=True), p))


def to_power(tensor: Any, p: int) -> Any:
    return ops.square(tensor) if p == 2 else ops.power(ops.abs(tensor), p)


def root(tensor: Any, p: int) -> Any:
    return ops.sqrt(tensor) if p == 2 else ops.power(tensor, 1 / p)


@converter("MaxUnpool", since=9)
def MaxUnpool(
    ctx: KerasImporter,
    X: Value,
    I: Value,  # noqa: E741  # the standard's own name
    output_shape: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """Each element at the place that its index tells, zeros elsewhere. Indices count through the whole tensor."""
    x = ctx.plain(X)
    n = len(kernel_shape)
    strides, _ = steps(strides, None, n)
    if None in x.tensor.shape:
        ctx.refuse("its indices count through the whole tensor, whose size is free")
    amounts = pairs(pads) or [(0, 0)] * n
    own = (*x.tensor.shape[:2], *unpooled_sizes(x.tensor.shape[2:], kernel_shape, strides, amounts))
    wanted = own if output_shape is None else tuple(ctx.known(output_shape, "output_shape").tolist())
    if any(w < o for w, o in zip(wanted, own, strict=True)):
        ctx.refuse("its output_shape is smaller than the pool's input was")
    places = ops.reshape(ctx.plain(I).tensor, (-1, 1))
    result = ops.reshape(ops.scatter(places, ops.reshape(x.tensor, (-1,)), (int(np.prod(own)),)), own)
    if wanted != own:
        result = ops.pad(result, [(0, w - o) for w, o in zip(wanted, own, strict=True)])
    return ctx.keep(x, result)
