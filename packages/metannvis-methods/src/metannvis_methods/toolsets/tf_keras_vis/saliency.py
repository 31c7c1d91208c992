"""Saliency of tf-keras-vis: the largest channel of inputs that have channels, and every feature of those that have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.tf_keras_vis.class_activation_maps import scaled

__all__ = ["saliency"]


def saliency(method: Any, arguments: Mapping[str, Any]) -> MethodOutput:
    """Gradients by the toolkit, reduced as it does it: a row of features has no channels, and its largest one says nothing."""
    given = arguments["seed_input"]
    inputs = given if isinstance(given, list) else [given]
    if arguments.get("keepdims", False) or all(len(tensor.shape) > 2 for tensor in inputs):
        values = method(**arguments)
        return MethodOutput(
            tuple(values) if isinstance(values, list) else values, channels=bool(arguments.get("keepdims", False))
        )
    whole = method(**{**arguments, "keepdims": True, "normalize_map": False})
    parts = [to_numpy(part) for part in (whole if isinstance(whole, list) else [whole])]
    parts = [part.max(-1) if part.ndim > 2 else part for part in parts]
    if arguments.get("normalize_map", True):
        parts = [scaled(part) for part in parts]
    return MethodOutput(tuple(parts) if isinstance(whole, list) else parts[0], channels=False)
