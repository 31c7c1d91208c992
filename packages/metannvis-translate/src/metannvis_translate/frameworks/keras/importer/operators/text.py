"""Text: TF-IDF, of words that are numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.ngrams import ngrams, placements
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
) -> LaidOut:
    """How often each n-gram of a pool stands in a row of integers, its words next to each other or some apart."""
    if pool_strings:
        ctx.refuse("strings are not supported")
    x = ctx.plain(X)
    length = x.tensor.shape[-1]
    if length is None:
        ctx.refuse("the length of its rows is free")
    grams = ngrams(
        ngram_counts, ngram_indexes, pool_int64s, weights, mode=mode, shortest=min_gram_length, longest=max_gram_length
    )
    columns: dict[int, Any] = {}
    by_column = np.ones(max(ngram_indexes) + 1, "float32")
    for number, gram, weight in grams:
        by_column[number] = weight
        counts = []
        for step, places in placements(len(gram), length, max_skip_count):
            parts = [ops.equal(x.tensor[..., k * step : k * step + places], word) for k, word in enumerate(gram)]
            counts.append(ops.sum(ops.cast(functools.reduce(ops.logical_and, parts), "float32"), axis=-1))
        if counts:
            columns[number] = functools.reduce(ops.add, counts)
    nothing = ops.cast(ops.zeros_like(x.tensor[..., 0]), "float32")
    result = ops.stack([columns.get(k, nothing) for k in range(max(ngram_indexes) + 1)], axis=-1)
    if mode == "IDF":
        result = ops.minimum(result, 1.0)
    if weights and mode != "TF":
        result = ops.multiply(result, by_column)
    return LaidOut(result, identity(x.rank))
