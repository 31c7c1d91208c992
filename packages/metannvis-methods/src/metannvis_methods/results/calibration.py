"""Calibration: whether what is predicted with probability p is right in a share p of the cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metannvis_methods.results.shown import Result

__all__ = ["Calibration"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, repr=False)
class Calibration(Result):
    """Confidence against accuracy in bins of equal width.

    Attributes
    ----------
    edges
        Of the bins, shape ``(bins + 1,)``, from 0 to 1. A bin holds its upper edge, the first its lower one as well.
    counts
        Samples in each bin, shape ``(bins,)``, int64.
    confidence, accuracy
        Mean probability of the predicted class, and share of right predictions, in each bin; NaN where there is no sample.
    error
        Expected calibration error: mean |accuracy − confidence| over samples.
    largest_error
        Of any bin that holds samples.
    """

    edges: Array
    counts: Array
    confidence: Array
    accuracy: Array
    error: float
    largest_error: float
    #: Kind of the figure.
    figure: ClassVar[str] = "reliability"

    def __str__(self) -> str:
        return f"calibration error {self.error:.4f} over {int(self.counts.sum())} samples in {len(self.counts)} bins"

    __repr__ = __str__

    def rows(self) -> list[tuple[str, object]]:
        """Errors and sizes."""
        return [
            ("expected calibration error", f"{self.error:.4f}"),
            ("largest error of a bin", f"{self.largest_error:.4f}"),
            ("samples", int(self.counts.sum())),
            ("bins", len(self.counts)),
        ]
