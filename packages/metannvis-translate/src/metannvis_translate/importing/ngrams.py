"""N-grams: what the attributes of a TF-IDF vectorizer say is counted, and where it may stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["NGram", "ngrams", "placements"]

#: The column that it is counted in, its words, and what its count is multiplied by.
NGram = tuple[int, tuple[int, ...], float]


def ngrams(
    counts: Sequence[int],
    indexes: Sequence[int],
    pool: Sequence[int],
    weights: Sequence[float],
    *,
    mode: str,
    shortest: int,
    longest: int,
) -> tuple[NGram, ...]:
    """The n-grams of a pool that are counted: those of ``shortest`` to ``longest`` words.

    ``counts`` says where in the pool the n-grams of one word, two words … begin. Weights count but for ``mode="TF"``.
    """
    found: list[tuple[int, ...]] = []
    for size, (start, end) in enumerate(zip(counts, [*counts[1:], len(pool)], strict=True), start=1):
        found += [tuple(pool[k : k + size]) for k in range(start, end, size)]
    factors = weights if weights and mode != "TF" else [1.0] * len(found)
    rows = zip(indexes, found, factors, strict=True)
    return tuple(row for row in rows if shortest <= len(row[1]) <= longest)


def placements(words: int, length: int, skips: int) -> Iterator[tuple[int, int]]:
    """How far apart the words of an n-gram may stand in a row of that length, and at how many places it may begin then."""
    for step in range(1, skips + 2 if words > 1 else 2):
        places = length - (words - 1) * step
        if places > 0:
            yield step, places
