"""Deep feature factorisation: concepts of a layer, and where each is seen (Collins, Achanta, Süsstrunk, 2018).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.grad_cam.layer_pass import layer_pass, places_first
from metannvis_methods.toolsets.load import import_quietly

__all__ = ["DeepFeatureFactorization"]

Array = np.ndarray[Any, Any]


class DeepFeatureFactorization:
    """Non-negative factors of a layer's activations of all samples together."""

    def __init__(self, model: Any, target_layer: Any, reshape_transform: Any = None, n_components: int = 16) -> None:
        self.n_components = n_components

    def __call__(self, call: MethodCall) -> Array:
        """How much of each concept is where, ``(N, concepts, places…)``, for concepts that are vectors of unit length.

        The toolkit's maps, before it scales each to 0…1: what a factor is multiplied with may be taken from the other, which
        the length settles.
        """
        from sklearn.exceptions import ConvergenceWarning

        maps = places_first(call, layer_pass(call, gradients=False).activations)
        module = import_quietly("pytorch_grad_cam.feature_factorization.deep_feature_factorization")
        flat = maps.reshape(*maps.shape[:2], maps.shape[2], -1)  # it knows maps of two axes
        offset = flat.min(axis=(0, 2, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # its 200 steps are the method's
            concepts, parts = module.dff(flat.copy(), self.n_components)
        lengths = np.linalg.norm(concepts - offset[:, None], axis=0)
        return (parts * lengths[:, None, None]).reshape(len(maps), -1, *maps.shape[2:])
