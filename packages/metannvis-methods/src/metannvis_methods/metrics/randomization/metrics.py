"""Randomization metrics: how much of a map is left when weights or labels are random.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64, or
a :class:`MetricOutput` with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import MissingArgumentError
from metannvis_methods.metrics.randomization.similarity import similarity
from metannvis_methods.metrics.randomization.weights import fixed_layers, randomized
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["cascading_randomization", "independent_randomization", "label_randomization"]

Array = np.ndarray[Any, Any]


def cascading_randomization(call: MetricCall, *, measure: str, layers: Any) -> MetricOutput:
    """Similarity at the last step, when all layers are random; the curve has one a step."""
    curves, names = _along(call, "cascading", measure, layers)
    return MetricOutput(curves[:, -1], curves, names, _told(call))


def independent_randomization(call: MetricCall, *, measure: str, layers: Any) -> MetricOutput:
    """Mean of the similarities when one layer is random."""
    curves, names = _along(call, "independent", measure, layers)
    return MetricOutput(curves.mean(1), curves, names, _told(call))


def label_randomization(call: MetricCall, *, measure: str, model: Any) -> Array:
    """Similarity to the map of a model that was trained on permuted labels."""
    if model is None:
        raise MissingArgumentError(
            "label_randomization compares with the same network trained on permuted labels: give it, "
            "metrics={'label_randomization': {'model': other}}"
        )
    return similarity(measure, call.maps(), call.again(call.inputs, model=model).sum(-1))


def _along(call: MetricCall, scheme: str, measure: str, layers: Any) -> tuple[Array, tuple[str, ...]]:
    names, found = [], []
    samples = np.arange(min(call.samples, call.batch_size))
    inputs = call.as_given(call.inputs[samples], samples)
    seed = int(call.generator.integers(2**31))
    for name, model in randomized(call.model, inputs, scheme=scheme, seed=seed, layers=layers):
        names.append(name)
        found.append(similarity(measure, call.maps(), call.again(call.inputs, model=model).sum(-1)))
    return np.stack(found, axis=1), tuple(names)


def _told(call: MetricCall) -> tuple[str, ...]:
    return tuple(f"weights that are not drawn anew: {text}" for text in fixed_layers(call.model))
