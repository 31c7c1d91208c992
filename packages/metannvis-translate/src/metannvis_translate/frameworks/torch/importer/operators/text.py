"""Counting words, which are numbers here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import Placed
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def count_grams(
    x: Tensor, *, grams: Sequence[tuple[int, tuple[int, ...], float]], skips: int, binary: bool, columns: int
) -> Tensor:
    """How often each n-gram (its column, its words, its weight) stands in a row, its words up to ``skips`` places apart."""
    result = [torch.zeros(x.shape[:-1], device=x.device)] * columns
    for column, words, weight in grams:
        count = torch.zeros(x.shape[:-1], device=x.device)
        for step in range(1, skips + 2 if len(words) > 1 else 2):
            places = x.shape[-1] - (len(words) - 1) * step
            if places <= 0:
                continue
            hits = [x[..., k * step : k * step + places] == word for k, word in enumerate(words)]
            count = count + torch.stack(hits).all(0).sum(-1)
        result[column] = (count.clamp(max=1) if binary else count) * weight
    return torch.stack(result, -1)


@converter("TfIdfVectorizer", since=9)
def TfIdfVectorizer(
    ctx: TorchImporter,
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
    """Sums of comparisons, as a function."""
    if pool_strings:
        ctx.refuse("strings are not supported")
    found: list[tuple[int, ...]] = []
    ends = [*ngram_counts[1:], len(pool_int64s)]
    for size, (start, end) in enumerate(zip(ngram_counts, ends, strict=True), start=1):
        found += [tuple(pool_int64s[k : k + size]) for k in range(start, end, size)]
    factors = weights if weights and mode != "TF" else [1.0] * len(found)
    rows = zip(ngram_indexes, found, factors, strict=True)
    grams = tuple(row for row in rows if min_gram_length <= len(row[1]) <= max_gram_length)
    options = {"grams": grams, "skips": max_skip_count, "binary": mode != "TF", "columns": max(ngram_indexes) + 1}
    if mode == "TFIDF":
        options["binary"] = False
    return call(ctx, count_grams, X, rank=X.rank, **options)
