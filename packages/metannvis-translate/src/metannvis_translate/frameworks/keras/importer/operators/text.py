"""Text: TF-IDF."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import Placed, identity
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


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
