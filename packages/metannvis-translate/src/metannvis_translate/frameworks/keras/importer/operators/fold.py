"""Folding: windows of an image added up where they were cut from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.sliding_windows import Windows
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import pairs, steps

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

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
) -> LaidOut:
    """Windows ``(batch, channels · *block, count)`` added up where they overlap: PyTorch's ``fold``."""
    image = tuple(int(n) for n in ctx.known(image_shape, "image shape"))
    block = tuple(int(n) for n in ctx.known(block_shape, "block shape"))
    n = len(image)
    amounts = pairs(pads) or [(0, 0)] * n
    grid = Windows(image, amounts, block, *steps(strides, dilations, n))
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
    return LaidOut(result, identity(n + 2))


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
