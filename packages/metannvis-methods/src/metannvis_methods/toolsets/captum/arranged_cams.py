"""Grad-CAM of tokens and of channels-last layers, which Captum takes for maps with channels first.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.cam_formulas import grad_cam

__all__ = ["arranged_cam"]


def arranged_cam(call: MethodCall, arguments: dict[str, Any]) -> Any:
    """``LayerGradCam`` or ``GuidedGradCam`` by their formula, on the layer's output as it lies on the image."""
    from captum._utils.gradient import compute_layer_gradients_and_eval

    gradients, activations = compute_layer_gradients_and_eval(
        call.model,
        call.layer,
        call.inputs,
        arguments.get("target"),
        in_order(arguments.get("additional_forward_args")) or None,
        attribute_to_layer_input=bool(arguments.get("attribute_to_layer_input", False)),
        grad_kwargs=arguments.get("grad_kwargs"),
    )
    arrange = call.arrange or to_numpy
    maps, slopes = arrange(to_numpy(activations[0])), arrange(to_numpy(gradients[0]))
    guided = call.spec.key == "guided_grad_cam"
    cam = grad_cam(maps, slopes, np.empty(0), rectify=False)
    if not arguments.get("attr_dim_summation", True):
        cam = np.moveaxis(maps * slopes.mean(tuple(range(1, slopes.ndim - 1)), keepdims=True), -1, 1)
    if guided or arguments.get("relu_attributions", False):
        cam = np.maximum(cam, 0)
    if not guided:
        return cam
    from captum.attr import GuidedBackprop, LayerAttribution

    given = {
        name: value for name, value in arguments.items() if name not in ("interpolate_mode", "attribute_to_layer_input")
    }
    parts = GuidedBackprop(call.model).attribute(**given)
    mode = arguments.get("interpolate_mode", "nearest")
    grown = torch.from_numpy(np.ascontiguousarray(cam[:, None]))
    several = isinstance(parts, tuple)
    made = []
    for part in parts if several else (parts,):
        like = grown.to(part)
        fits = part.ndim == like.ndim
        made.append(part * LayerAttribution.interpolate(like, part.shape[2:], mode) if fits else part.new_zeros(0))
    return tuple(made) if several else made[0]
