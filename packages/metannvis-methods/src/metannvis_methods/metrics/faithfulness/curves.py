"""Faithfulness by curves of the output while places or regions are replaced.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64, or
a :class:`MetricOutput` with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.faithfulness.regions import order_of_regions, patches, segments
from metannvis_methods.metrics.faithfulness.removal import along, area, counts_of, filled, order_of
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["deletion", "insertion", "irof", "pixel_flipping", "region_perturbation", "selectivity"]

Array = np.ndarray[Any, Any]


def deletion(call: MetricCall, *, steps: int, baseline: Any, probabilities: bool) -> MetricOutput:
    """Area under the curve of the output while the strongest places are replaced."""
    return _curve(call, steps, call.inputs, filled(call, baseline), probabilities)


def insertion(call: MetricCall, *, steps: int, baseline: Any, probabilities: bool) -> MetricOutput:
    """Area under the curve of the output while the strongest places come back."""
    return _curve(call, steps, filled(call, baseline), call.inputs, probabilities)


def pixel_flipping(call: MetricCall, *, in_step: int | None, baseline: Any, probabilities: bool) -> MetricOutput:
    """Mean height of the curve of the output after each step of places, all of which are replaced at last."""
    maps = call.maps()
    units = maps[0].size
    size = max(1, units // 100) if in_step is None else in_step
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InvalidArgumentError(f"pixel_flipping: in_step is a whole number of at least 1, not {in_step!r}")
    counts = np.append(np.arange(size, units, size), units)
    curves = along(call, order_of(maps), counts, call.inputs, filled(call, baseline), probabilities=probabilities)
    return MetricOutput(area(curves), curves, tuple((counts / units).tolist()))


def region_perturbation(
    call: MetricCall, *, patch: int | None, regions: int, order: str, baseline: Any, probabilities: bool
) -> MetricOutput:
    """Mean drop of the output over the steps, the first of which replaces nothing: 1/(L+1) Σ f(x) − f(x_k)."""
    signed = call.maps() if order == "most" else -call.maps()
    ranks, counts = order_of_regions(signed, patches(call.places, patch, 9), mean=False)
    steps = np.arange(min(int(counts[0]), counts_of(regions, regions)[-1]) + 1)
    curves = along(call, ranks, steps, call.inputs, filled(call, baseline), probabilities=probabilities)
    drops = curves[:, :1] - curves
    return MetricOutput(drops.mean(1), drops, tuple(steps.tolist()))


def selectivity(call: MetricCall, *, patch: int | None, baseline: Any, probabilities: bool) -> MetricOutput:
    """Mean height of the curve of the output after each patch, the one with the largest sum first."""
    ranks, counts = order_of_regions(call.maps(), patches(call.places, patch, 8), mean=False)
    steps = np.arange(1, int(counts[0]) + 1)
    curves = along(call, ranks, steps, call.inputs, filled(call, baseline), probabilities=probabilities)
    return MetricOutput(area(curves), curves, tuple((steps / len(steps)).tolist()))


def irof(call: MetricCall, *, segments_of: Any, baseline: Any, probabilities: bool) -> MetricOutput:
    """Area over the curve of f(x_k)/f(x) while segments are replaced, that with the largest mean first: L − area under it."""
    ranks, counts = order_of_regions(call.maps(), segments(call, segments_of), mean=True)
    most = int(counts.max())
    steps = np.arange(most + 1)
    curves = along(call, ranks, steps, call.inputs, filled(call, baseline), probabilities=probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = curves / curves[:, :1]
    scores = np.empty(call.samples)
    for sample, count in enumerate(counts):
        after = shares[sample, 1 : count + 1]
        scores[sample] = count - (after.sum() - (after[0] + after[-1]) / 2 if count > 1 else 0.0)
    return MetricOutput(scores, shares, tuple(steps.tolist()))


def _curve(call: MetricCall, steps: int, start: Array, end: Array, probabilities: bool) -> MetricOutput:
    maps = call.maps()
    units = maps[0].size
    counts = counts_of(steps, units)
    curves = along(call, order_of(maps), counts, start, end, probabilities=probabilities)
    shares = counts / units
    # steps are of equal width up to rounding to whole places; the rule takes them as they are
    scores = ((curves[:, 1:] + curves[:, :-1]) / 2 * np.diff(shares)).sum(1)
    return MetricOutput(scores, curves, tuple(shares.tolist()))
