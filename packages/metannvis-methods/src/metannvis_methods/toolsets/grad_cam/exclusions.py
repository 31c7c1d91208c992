"""Classes of pytorch-grad-cam that make maps and have no row, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EXCLUDED"]

EXCLUDED: Mapping[str, str] = MappingProxyType(
    {
        "RefineCAM": "is the product of the maps of several layers, which explain gives apart (layer=[…])",
        "SESS": "cuts windows out of enlarged images, and so changes what the model is given, for any method",
        "GuidedBackpropReLUModel": "is guided_backprop of captum, which takes activations of every form",
    }
)
