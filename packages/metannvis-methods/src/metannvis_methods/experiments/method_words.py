"""Words with which every method is run on images of 28×28 pixels, and which cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metannvis_methods import list_methods
from metannvis_methods.registry.spec import MethodSpec

__all__ = ["EXCLUDED", "methods_of", "words_for"]

Array = np.ndarray[Any, Any]
#: Methods of which there is no map of an image, and why.
EXCLUDED: Mapping[tuple[str, str], str] = {
    ("captum", "lime_base"): "consists of parts that the caller gives",
    ("captum", "layer_feature_permutation"): "is refused by Captum for models of several outputs",
    ("grad-cam", "deep_feature_factorization"): "finds concepts in all images together, and maps none to an output",
    ("metannvis", "layer_vanilla_gradient"): "is taken at an image of noise",
}
#: Passes where a default would take long; a full run has the first, a small one the second.
COSTS: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]] = {
    ("captum", "shapley_value_sampling"): {"n_samples": (10, 2)},
    ("captum", "kernel_shap"): {"n_samples": (200, 60)},
    ("captum", "lime"): {"n_samples": (200, 60)},
    ("captum", "gradient_shap"): {"n_samples": (10, 3)},
    ("captum", "layer_gradient_shap"): {"n_samples": (10, 3)},
    ("metannvis", "rise"): {"n_masks": (1000, 50)},
    ("metannvis", "sobol"): {"n_designs": (32, 4)},
    ("metannvis", "extremal_perturbation"): {"n_steps": (300, 10)},
    ("metannvis", "xrai"): {"n_steps": (30, 5)},
    ("metannvis", "guided_integrated_gradients"): {"n_steps": (100, 10)},
    ("metannvis", "blur_integrated_gradients"): {"n_steps": (50, 10)},
    ("tf-keras-vis", "smooth_grad"): {"smooth_samples": (20, 3)},
}
#: Groups of pixels for methods whose passes grow with the features: a grid of 7×7 cells of 4 pixels; of all orders, 2×2.
CELLS = ("shapley_value_sampling", "kernel_shap", "lime")
ORDERS = "shapley_values"


def methods_of(*toolsets: str, size: str = "full") -> tuple[MethodSpec, ...]:
    """Primary and layer methods of some toolsets that map an image, in the order of the registry.

    At the small size those whose sanity checks are published: of what is found of them, something is known.
    """
    return tuple(
        spec
        for toolset in toolsets
        for spec in list_methods(toolset=toolset)
        if spec.kind in ("primary", "layer")
        and (spec.toolset, spec.key) not in EXCLUDED
        and (size == "full" or spec.sanity)
    )


def words_for(spec: MethodSpec, layer: str, size: str, *, channels_last: bool) -> dict[str, Any]:
    """Words of :func:`metannvis_methods.explain` for a method on a network of ``torch_network.Plain``'s layers.

    Parameters
    ----------
    spec
        The method.
    layer
        Name of the layer for methods that have one.
    size
        ``"full"`` or ``"small"``.
    channels_last
        Whether the images of the network that is explained have the channels last, as the words then have.
    """
    last = channels_last
    words: dict[str, Any] = {}
    if spec.by_role("layer") is not None:
        words["layer"] = layer
    distribution = spec.by_role("distribution")
    if distribution is not None and spec.key != "xrai":  # which has black and white of its own
        words["baselines"] = _images(np.array([0.0, 0.25]), last)
    if spec.by_role("window") is not None:
        words["sliding_window_shapes"] = (3, 3, 1) if last else (1, 3, 3)
        words["strides"] = (2, 2, 1) if last else (1, 2, 2)
    if spec.key in CELLS:
        words["feature_mask"] = "grid"
    if spec.key == ORDERS:
        words["feature_mask"] = ("grid", {"cells": 2})
    if spec.key == "layer_feature_ablation":
        words["feature_mask"] = _cells_of_layer(layer, last)
    if spec.key == "filter_guided_backprop":
        words["channel"] = 0
    costs = COSTS.get((spec.toolset, spec.key), {})
    return {**words, **{name: pair[size == "small"] for name, pair in costs.items()}}


def _images(values: Array, last: bool) -> Array:
    """Images of one brightness each."""
    flat = np.broadcast_to(values.astype(np.float32)[:, None, None], (len(values), 28, 28))
    return np.ascontiguousarray(np.expand_dims(flat, 3 if last else 1))


def _cells_of_layer(layer: str, last: bool) -> Array:
    """Groups of a layer's neurons: 7×7 cells of places, all channels together."""
    channels, side = {"conv1": (16, 28), "relu1": (16, 28), "conv2": (32, 14), "relu2": (32, 14)}[layer]
    rows = np.arange(side) * 7 // side
    cells = rows[:, None] * 7 + rows
    mask = np.broadcast_to(
        cells[..., None] if last else cells, (side, side, channels) if last else (channels, side, side)
    )
    return np.ascontiguousarray(mask[None])
