"""Faithfulness by comparing attributions with changes of the output.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64, or
a :class:`MetricOutput` with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.faithfulness.removal import counts_of, filled, order_of
from metannvis_methods.metrics.spec import MetricCall, MetricOutput
from metannvis_methods.ranks import ranks

__all__ = ["completeness", "faithfulness_correlation", "infidelity", "monotonicity", "sensitivity_n"]

Array = np.ndarray[Any, Any]


def infidelity(call: MetricCall, *, draws: int, stdev: float, probabilities: bool, perturbations: Any) -> Array:
    """E (I·φ − (f(x) − f(x − I)))², I normal."""
    before = _whole(call, call.inputs, probabilities)
    errors, done = np.zeros(call.samples), 0
    for one in _noise(call, draws, stdev, perturbations):
        change = before - _whole(call, (call.inputs - one).astype(call.inputs.dtype), probabilities)
        expected = (one * call.attributions).reshape(call.samples, -1).sum(1)
        errors += (expected - change) ** 2
        done += 1
    return errors / done


def faithfulness_correlation(
    call: MetricCall, *, runs: int, size: int | float, baseline: Any, probabilities: bool, subsets: Any
) -> Array:
    """Pearson's correlation, over random sets of places, of the sum of their attributions and the drop of the output."""
    count = _size(call, size)
    if subsets is None:
        subsets = np.stack([_subsets(call, count, call.samples) for _ in range(_number(runs, "runs"))])
    return _correlations(call, np.asarray(subsets), baseline, probabilities)


def sensitivity_n(
    call: MetricCall, *, sizes: Sequence[int | float], runs: int, baseline: Any, probabilities: bool
) -> MetricOutput:
    """Mean over n of that correlation for sets of n places."""
    counts = sorted({_size(call, size) for size in sizes})
    if not counts:
        raise InvalidArgumentError("sensitivity_n: sizes is empty; give numbers of places, or shares of them")
    curves = np.stack(
        [
            _correlations(
                call,
                np.stack([_subsets(call, count, call.samples) for _ in range(_number(runs, "runs"))]),
                baseline,
                probabilities,
            )
            for count in counts
        ],
        axis=1,
    )
    return MetricOutput(curves.mean(1), curves, tuple(counts))


def monotonicity(call: MetricCall, *, groups: int, baseline: Any, sign: str, probabilities: bool) -> MetricOutput:
    """Spearman's correlation, over groups of places with attributions alike, of these and the drop without them."""
    maps = call.maps("absolute" if sign == "absolute" else "both")
    counts = counts_of(groups, maps[0].size)
    ranks_of_places = order_of(-maps)[..., None]
    fill, before = filled(call, baseline), _whole(call, call.inputs, probabilities)
    sums, drops = (np.empty((call.samples, len(counts) - 1)) for _ in range(2))
    for group, (first, last) in enumerate(itertools.pairwise(counts)):
        chosen = (ranks_of_places >= first) & (ranks_of_places < last)
        drops[:, group] = before - _whole(call, np.where(chosen, fill, call.inputs), probabilities)
        sums[:, group] = np.where(chosen[..., 0], maps, 0).reshape(call.samples, -1).sum(1)
    if sign == "absolute":
        drops = drops**2
    scores = [_pearson(ranks(a), ranks(b)) for a, b in zip(sums, drops, strict=True)]
    return MetricOutput(np.array(scores), drops, tuple(counts[1:].tolist()))


def completeness(call: MetricCall, *, baseline: Any, probabilities: bool) -> Array:
    """|Σφ − (f(x) − f(baseline))|."""
    change = _whole(call, call.inputs, probabilities) - _whole(call, filled(call, baseline), probabilities)
    return np.asarray(np.abs(call.attributions.reshape(call.samples, -1).sum(1) - change))


def _correlations(call: MetricCall, subsets: Array, baseline: Any, probabilities: bool) -> Array:
    """Shape ``(N,)``; ``subsets`` are numbers of places, shape ``(runs, N, size)``."""
    if subsets.ndim != 3 or subsets.shape[1] != call.samples or not len(subsets):
        raise InvalidArgumentError(f"subsets have shape {subsets.shape}: it is (runs, {call.samples}, size)")
    maps = call.maps().reshape(call.samples, -1)
    fill = filled(call, baseline)
    before = _whole(call, call.inputs, probabilities)
    sums, drops = np.empty(subsets.shape[:2]), np.empty(subsets.shape[:2])
    samples = np.arange(call.samples)
    for run, chosen in enumerate(subsets):
        gone = np.zeros(maps.shape, bool)
        np.put_along_axis(gone, chosen, True, axis=1)
        rows = np.where(gone.reshape(*call.inputs.shape[:-1], 1), fill, call.inputs)
        sums[run] = maps[samples[:, None], chosen].sum(1)
        drops[run] = before - _whole(call, rows, probabilities)
    return np.array([_pearson(a, b) for a, b in zip(sums.T, drops.T, strict=True)])


def _whole(call: MetricCall, inputs: Array, probabilities: bool) -> Array:
    return call.scores(inputs, np.arange(len(inputs)), probabilities=probabilities)


def _noise(call: MetricCall, draws: int, stdev: float, perturbations: Any) -> Iterator[Array]:
    """Changes of the inputs one after the other: all of them would be many times the inputs."""
    if perturbations is not None:
        yield from call.layout.arranged_draws(perturbations)
        return
    if not stdev > 0:
        raise InvalidArgumentError(f"infidelity: stdev is a number above 0, not {stdev!r}")
    for _ in range(_number(draws, "draws")):
        yield call.layout.cleared(np.asarray(stdev * call.generator.standard_normal(call.inputs.shape)))


def _subsets(call: MetricCall, size: int, samples: int) -> Array:
    units = int(np.prod(call.places))
    return np.stack([call.generator.permutation(units)[:size] for _ in range(samples)])


def _size(call: MetricCall, size: Any) -> int:
    """Number of places: a whole number, or below 1 the share of them."""
    units = int(np.prod(call.places))
    if isinstance(size, bool) or not isinstance(size, (int, float, np.number)) or not size > 0:
        raise InvalidArgumentError(f"a size is a number of places, or below 1 a share of them, not {size!r}")
    return min(units, max(1, round(size * units)) if size < 1 else int(size))


def _number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidArgumentError(f"{name} is a whole number of at least 1, not {value!r}")
    return int(value)


def _pearson(a: Array, b: Array) -> float:
    """0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / size) if size > 0 else 0.0
