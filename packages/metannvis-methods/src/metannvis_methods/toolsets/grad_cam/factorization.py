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

    def __call__(self, call: MethodCall) -> tuple[Array, Array]:
        """How much of each concept is where, ``(N, concepts, places…)``, and the concepts, ``(concepts, C)``, of unit length.

        A sample's activations are about the sum of the concepts by their maps, and the smallest value of each channel. The
        toolkit's maps, before it scales each to 0…1: what a factor is multiplied with may be taken from the other, which
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
        vectors = concepts - offset[:, None]
        lengths = np.linalg.norm(vectors, axis=0)
        found = (parts * lengths[:, None, None]).reshape(len(maps), -1, *maps.shape[2:])
        return found, (vectors / np.where(lengths > 0, lengths, 1)).T
