"""Operators on windows and middles of images that Keras has no layer for, and on n-grams."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.layout import Placed, identity
from metannvis_translate.onnx_to_keras.registry import converter
from metannvis_translate.onnx_to_keras.window_parts import Windows
from metannvis_translate.values import Value

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_keras.importer import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Col2Im", since=18)
def Col2Im(
    ctx: KerasImporter,
    input: Value,
    image_shape: Value,
    block_shape: Value,
    *,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Placed:
    """Windows ``(batch, channels · *block, count)`` added up where they overlap: PyTorch's ``fold``."""
    image = tuple(int(n) for n in ctx.known(image_shape, "image shape"))
    block = tuple(int(n) for n in ctx.known(block_shape, "block shape"))
    n = len(image)
    pads = tuple(pads) or (0,) * 2 * n
    amounts = [(int(pads[k]), int(pads[k + n])) for k in range(n)]
    grid = Windows(image, amounts, block, tuple(strides) or (1,) * n, tuple(dilations) or (1,) * n)
    x = ctx.plain(input)
    taps, count = int(np.prod(block)), int(np.prod(grid.out))
    if x.tensor.shape[1] is None:
        ctx.refuse("the number of its channels is free")
    channels = x.tensor.shape[1] // taps
    numbers = np.pad(np.arange(np.prod(image)).reshape(image), amounts, constant_values=-1)
    pixels = np.concatenate([numbers[grid.slices(start)].ravel() for start in grid.starts()])  # (taps · count,)
    flat = layers.Reshape((channels, taps * count), name=ctx.unique(ctx.name("columns")), dtype=ctx.compute)(x.tensor)
    flat = ops.pad(flat, [(0, 0), (0, 0), (0, 1)])  # a zero, for where fewer windows lie
    sums = [ops.take(flat, sources.tolist(), axis=2) for sources in contributions(pixels, int(np.prod(image)))]
    total = functools.reduce(ops.add, sums)
    result = layers.Reshape((channels, *image), name=ctx.unique(ctx.name("image")), dtype=ctx.compute)(total)
    return Placed(result, identity(n + 2))


def contributions(pixels: np.ndarray[Any, Any], area: int) -> np.ndarray[Any, Any]:
    """For each pixel the places that are added up in it, shape (most of them, area); ``len(pixels)`` stands for none."""
    places = np.flatnonzero(pixels >= 0)
    places = places[np.argsort(pixels[places], kind="stable")]
    targets = pixels[places]
    first = np.searchsorted(targets, np.arange(area))
    rank = np.arange(len(targets)) - first[targets]
    table = np.full((int(rank.max(initial=0)) + 1, area), len(pixels))
    table[rank, targets] = places
    return table


@converter("CenterCropPad", since=18)
def CenterCropPad(ctx: KerasImporter, input_data: Value, shape: Value, *, axes: Sequence[int] | None = None) -> Placed:
    """The middle of each axis, or zeros around it; what is odd is cut, or added, at the end."""
    x = ctx.placed(input_data)
    tensor = x.tensor
    for axis, size in zip(range(x.rank) if axes is None else axes, ctx.known(shape, "shape").tolist(), strict=True):
        where = x.axis(axis)
        have = tensor.shape[where]
        if have is None:
            ctx.refuse("an axis of free size is cut or padded")
        if size < have:
            begin = (have - size) // 2
            tensor = tensor[(slice(None),) * where + (slice(begin, begin + size),)]
        elif size > have:
            begin = (size - have) // 2
            amounts = [(0, 0)] * x.rank
            amounts[where] = (begin, size - have - begin)
            tensor = ops.pad(tensor, amounts)
    return ctx.keep(x, tensor)


@converter("TfIdfVectorizer", since=9)
def TfIdfVectorizer(
    ctx: KerasImporter,
    X: Value,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int],
    pool_int64s: Sequence[int] = (),
    pool_strings: Sequence[str] = (),
    weights: Sequence[float] = (),
) -> Placed:
    """How often each n-gram of a pool stands in a row of integers, its words next to each other or some apart."""
    if pool_strings:
        ctx.refuse("strings are not supported")
    x = ctx.plain(X)
    length = x.tensor.shape[-1]
    if length is None:
        ctx.refuse("the length of its rows is free")
    grams = []
    ends = [*ngram_counts[1:], len(pool_int64s)]
    for size, (start, end) in enumerate(zip(ngram_counts, ends, strict=True), start=1):
        grams += [pool_int64s[k : k + size] for k in range(start, end, size)]
    columns: dict[int, Any] = {}
    for number, gram in zip(ngram_indexes, grams, strict=True):
        counts = []
        for step in range(1, max_skip_count + 2 if len(gram) > 1 else 2):
            places = length - (len(gram) - 1) * step
            if places <= 0 or not min_gram_length <= len(gram) <= max_gram_length:
                continue
            parts = [ops.equal(x.tensor[..., k * step : k * step + places], word) for k, word in enumerate(gram)]
            counts.append(ops.sum(ops.cast(functools.reduce(ops.logical_and, parts), "float32"), axis=-1))
        if counts:
            columns[number] = functools.reduce(ops.add, counts)
    nothing = ops.cast(ops.zeros_like(x.tensor[..., 0]), "float32")
    result = ops.stack([columns.get(k, nothing) for k in range(max(ngram_indexes) + 1)], axis=-1)
    if mode == "IDF":
        result = ops.minimum(result, 1.0)
    if weights and mode != "TF":
        by_column = np.ones(max(ngram_indexes) + 1, "float32")
        by_column[list(ngram_indexes)] = weights
        result = ops.multiply(result, by_column)
    return Placed(result, identity(x.rank))
