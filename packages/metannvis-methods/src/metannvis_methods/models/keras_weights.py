"""Weights of Keras models: variables of each layer that has no layers within it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metannvis_methods.models.weights import Weight

__all__ = ["weights_of"]

#: Variables that are no weights.
STATISTICS = ("moving_mean", "moving_variance", "seed_generator_state")


def weights_of(model: Any, path: str = "") -> Mapping[str, list[Weight]]:
    """Floating weights of each layer by its path; statistics of batch normalisation are none."""
    found: dict[str, list[Weight]] = {}
    for layer in getattr(model, "_layers", ()):  # where Keras keeps layers, those within others too
        if not hasattr(layer, "weights"):
            continue
        name = f"{path}{layer.name}"
        if getattr(layer, "_layers", None):
            found.update(weights_of(layer, f"{name}/"))
            continue
        own = [w for w in layer.weights if w.name not in STATISTICS and "float" in str(w.dtype)]
        if own:
            found[name] = [_weight(variable) for variable in own]
    return found


def _weight(variable: Any) -> Weight:
    def assign(array: np.ndarray[Any, Any]) -> None:
        variable.assign(array.astype(variable.numpy().dtype))

    return Weight(lambda: np.array(variable.numpy(), np.float64), assign)
