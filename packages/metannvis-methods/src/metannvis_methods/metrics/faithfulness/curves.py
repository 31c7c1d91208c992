"""Faithfulness by curves: insertion and deletion."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.metrics.faithfulness.removal import along, area, counts_of, filled, order_of
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["deletion", "insertion"]


def deletion(call: MetricCall, *, steps: int, baseline: Any, probabilities: bool) -> MetricOutput:
    """Area under the curve of the output while the strongest places are replaced."""
    return _curve(call, steps, call.inputs, filled(call, baseline), probabilities)


def insertion(call: MetricCall, *, steps: int, baseline: Any, probabilities: bool) -> MetricOutput:
    """Area under the curve of the output while the strongest places come back."""
    return _curve(call, steps, filled(call, baseline), call.inputs, probabilities)


def _curve(call: MetricCall, steps: int, start: Any, end: Any, probabilities: bool) -> MetricOutput:
    maps = call.maps()
    units = maps[0].size
    counts = counts_of(steps, units)
    curves = along(call, order_of(maps), counts, start, end, probabilities=probabilities)
    shares = counts / units
    # steps are of equal width up to rounding to whole places; the rule takes them as they are
    widths = np.diff(shares)
    scores = ((curves[:, 1:] + curves[:, :-1]) / 2 * widths).sum(1) if len(widths) > 1 else area(curves)
    return MetricOutput(scores, curves, tuple(shares.tolist()))
