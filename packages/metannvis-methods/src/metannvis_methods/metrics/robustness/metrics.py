"""Robustness metrics: how far the map moves when the input hardly does.

Each function is that of a row: it takes what is judged and the row's options, and returns scores of shape ``(N,)``, float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.explain import explain
from metannvis_methods.metrics.spec import MetricCall

__all__ = [
    "average_sensitivity",
    "maximum_sensitivity",
    "perturbed",
    "relative_input_stability",
    "relative_output_stability",
    "relative_representation_stability",
]

Array = np.ndarray[Any, Any]
#: What stands for a zero that would be divided by.
EPSILON = 1e-6


def maximum_sensitivity(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Largest ‖φ(x + d) − φ(x)‖ / ‖φ(x)‖ over the draws."""
    return _sensitivities(call, radius, draws, perturbations).max(0)


def average_sensitivity(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Mean ‖φ(x + d) − φ(x)‖ / ‖φ(x)‖ over the draws."""
    return np.asarray(_sensitivities(call, radius, draws, perturbations).mean(0))


def relative_input_stability(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Largest ‖(φ(x) − φ(x′))/φ(x)‖ / ‖(x − x′)/x‖ over draws x′ of the same class."""
    x = call.inputs.astype(np.float64)

    def away(inputs: Array) -> Array:
        return _norm((x - inputs) / (x + (x == 0) * EPSILON))

    return _stability(call, radius, draws, perturbations, away)


def relative_output_stability(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Largest ‖(φ(x) − φ(x′))/φ(x)‖ / ‖f(x) − f(x′)‖ over draws x′ of the same class."""
    before = call.scores.classes(call.inputs)
    return _stability(call, radius, draws, perturbations, lambda inputs: _norm(before - call.scores.classes(inputs)))


def relative_representation_stability(
    call: MetricCall, *, layer: str, radius: float, draws: int, perturbations: Any
) -> Array:
    """Largest ‖(φ(x) − φ(x′))/φ(x)‖ / ‖(h(x) − h(x′))/h(x)‖ over draws x′ of the same class, h what a layer returns."""
    before = _activation(call, call.inputs, layer)

    def away(inputs: Array) -> Array:
        change = before - _activation(call, inputs, layer)
        return _norm(change / (before + (before == 0) * EPSILON))

    return _stability(call, radius, draws, perturbations, away)


def _stability(
    call: MetricCall, radius: float, draws: int, perturbations: Any, away: Callable[[Array], Array]
) -> Array:
    """Samples whose class changes in every draw have no score."""
    values = call.attributions
    classes = call.scores.classes(call.inputs)
    single = classes.shape[1] == 1
    found = []
    for inputs in perturbed(call, radius, draws, perturbations):
        moved = _norm((values - call.again(inputs)) / (values + (values == 0) * EPSILON))
        size = away(inputs)
        ratio = moved / (size + (size == 0) * EPSILON)
        if not single:
            ratio = np.where(call.scores.classes(inputs).argmax(1) == classes.argmax(1), ratio, np.nan)
        found.append(ratio)
    draws_by_sample = np.stack(found, axis=1)
    return np.array([row[~np.isnan(row)].max() if (~np.isnan(row)).any() else np.nan for row in draws_by_sample])


def _activation(call: MetricCall, inputs: Array, layer: str) -> Array:
    if not isinstance(layer, str):
        raise MissingArgumentError(
            "relative_representation_stability is of what a layer returns: give its name, layer=…"
        )
    given = call.as_given(inputs)
    found = explain(call.model, "layer_activation", given, layer=layer, toolset="captum", unfit="ignore").values
    if not isinstance(found, np.ndarray):
        raise InvalidArgumentError(f"layer {layer!r} returns several tensors")
    return found.astype(np.float64)


def _norm(values: Array) -> Array:
    return np.asarray(np.linalg.norm(values.reshape(len(values), -1), axis=1))


def perturbed(call: MetricCall, radius: float, draws: int, perturbations: Any) -> Iterator[Array]:
    """Inputs near the inputs, shape ``(N, places…, C)``, one a draw.

    Parameters
    ----------
    radius
        Noise is uniform in −radius…radius.
    draws
        How many.
    perturbations
        Noise to take instead, shape ``(draws, N, …)``, like the caller's inputs; of several inputs a tuple of one each.

    Raises
    ------
    InvalidArgumentError
        ``radius`` or ``draws`` is not above 0, or the noise does not lie like the inputs.
    """
    if perturbations is not None:
        for noise in call.layout.arranged_draws(perturbations):
            yield (call.inputs + noise).astype(call.inputs.dtype)
        return
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1 or not radius > 0:
        raise InvalidArgumentError(f"draws is at least 1, and radius above 0, not {draws!r} and {radius!r}")
    for _ in range(draws):
        noise = call.layout.cleared(np.asarray(call.generator.uniform(-radius, radius, call.inputs.shape)))
        yield (call.inputs + noise).astype(call.inputs.dtype)


def _sensitivities(call: MetricCall, radius: float, draws: int, perturbations: Any) -> Array:
    """Shape ``(draws, N)``."""
    flat = call.attributions.reshape(call.samples, -1)
    size = np.linalg.norm(flat, axis=1)
    found = []
    for inputs in perturbed(call, radius, draws, perturbations):
        away = np.linalg.norm(call.again(inputs).reshape(call.samples, -1) - flat, axis=1)
        found.append(np.divide(away, size, out=np.where(away > 0, np.inf, 0.0), where=size > 0))
    return np.stack(found)
