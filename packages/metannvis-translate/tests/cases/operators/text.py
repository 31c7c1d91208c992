"""Rows of operators on texts."""

from __future__ import annotations

import numpy as np

from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("TfIdfVectorizer", (np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]]),), {"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 5, "ngram_counts": [0, 4], "ngram_indexes": list(range(7)), "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]}, 9),
]  # fmt: skip
