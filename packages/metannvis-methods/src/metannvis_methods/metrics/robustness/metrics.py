"""Robustness metrics: how far the map moves when the input hardly does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.spec import MetricCall

__all__ = ["average_sensitivity", "maximum_sensitivity", "perturbed"]

Array = np.ndarray[Any, Any]


def maximum_sensitivity(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Largest ‖φ(x + d) − φ(x)‖ / ‖φ(x)‖ over the draws."""
    return _sensitivities(call, radius, draws, perturbations).max(0)


def average_sensitivity(call: MetricCall, *, radius: float, draws: int, perturbations: Any) -> Array:
    """Mean ‖φ(x + d) − φ(x)‖ / ‖φ(x)‖ over the draws."""
    return np.asarray(_sensitivities(call, radius, draws, perturbations).mean(0))


def perturbed(call: MetricCall, radius: float, draws: int, perturbations: Any) -> Iterator[Array]:
    """Inputs near the inputs, shape ``(N, places…, C)``, one a draw.

    Parameters
    ----------
    radius
        Noise is uniform in −radius…radius.
    draws
        How many.
    perturbations
        Noise to take instead, shape ``(draws, N, …)``, like the caller's inputs.

    Raises
    ------
    InvalidArgumentError
        ``radius`` or ``draws`` is not above 0, or the noise does not lie like the inputs.
    """
    if perturbations is not None:
        array = np.asarray(perturbations)
        if array.shape[1:] != call.layout.shape:
            raise InvalidArgumentError(f"perturbations have shape {array.shape}: it is (draws, *{call.layout.shape})")
        for noise in array:
            yield (call.inputs + call.layout.arranged(noise)).astype(call.inputs.dtype)
        return
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1 or not radius > 0:
        raise InvalidArgumentError(f"draws is at least 1, and radius above 0, not {draws!r} and {radius!r}")
    for _ in range(draws):
        noise = call.generator.uniform(-radius, radius, call.inputs.shape)
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
