"""Text: TF-IDF, of words that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.ngrams import ngrams, placements
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
        for step, places in placements(len(words), x.shape[-1], skips):
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
) -> LaidOut:
    """Sums of comparisons, as a function."""
    if pool_strings:
        ctx.refuse("strings are not supported")
    grams = ngrams(
        ngram_counts, ngram_indexes, pool_int64s, weights, mode=mode, shortest=min_gram_length, longest=max_gram_length
    )
    options = {"grams": grams, "skips": max_skip_count, "binary": mode == "IDF", "columns": max(ngram_indexes) + 1}
    return call(ctx, count_grams, X, rank=X.rank, **options)
