"""Formulas of class activation maps, for layers whose output a toolkit would take for something else: tokens, channels last.

Activations and gradients have shape ``(N, places…, C)``; maps have shape ``(N, places…)``, neither rectified nor enlarged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["FORMULAS", "MAP_AXES", "grad_cam", "grad_cam_plus_plus", "layer_cam"]

Array = np.ndarray[Any, Any]
#: Axes of a map by their number.
MAP_AXES = {2: "NL", 3: "NHW", 4: "NDHW"}


def _places(array: Array) -> tuple[int, ...]:
    return tuple(range(1, array.ndim - 1))


def grad_cam(activations: Array, gradients: Array, scores: Array, rectify: bool) -> Array:
    """Channels weighted by their mean gradients (Selvaraju et al., 2016, arXiv:1610.02391)."""
    cam: Array = (activations * gradients.mean(_places(gradients), keepdims=True)).sum(-1)
    return cam


def grad_cam_plus_plus(activations: Array, gradients: Array, scores: Array, rectify: bool) -> Array:
    """Weights from the derivatives of the exponential of the score (Chattopadhyay et al., 2017, arXiv:1710.11063)."""
    places = _places(gradients)
    first = np.exp(scores).reshape(-1, *[1] * (gradients.ndim - 1)) * gradients
    second, third = first * gradients, first * gradients * gradients
    below = 2 * second + third * activations.sum(places, keepdims=True)
    alphas = second / np.where(second == 0, below + 1, below)
    total = alphas.sum(places, keepdims=True)
    alphas = alphas / np.where(total == 0, 1, total)
    weights = (np.maximum(first, 0) if rectify else first) * alphas
    cam: Array = (weights.sum(places, keepdims=True) * activations).sum(-1)
    return cam


def layer_cam(activations: Array, gradients: Array, scores: Array, rectify: bool) -> Array:
    """Elements weighted by their gradients (Jiang et al., 2021, doi:10.1109/TIP.2021.3089943)."""
    cam: Array = (activations * gradients).sum(-1)
    return cam


#: By the key of the method: from activations, gradients, scores of shape ``(N,)``, and whether weights are rectified.
FORMULAS: Mapping[str, Callable[[Array, Array, Array, bool], Array]] = {
    "grad_cam": grad_cam,
    "grad_cam++": grad_cam_plus_plus,
    "layer_cam": layer_cam,
}
