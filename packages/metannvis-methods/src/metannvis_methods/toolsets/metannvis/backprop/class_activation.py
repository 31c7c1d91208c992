"""Class activation mapping and linear approximation: maps of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.scoring import as_map, at_layer, layer_maps
from metannvis_methods.toolsets.metannvis.method import LayerMethod

__all__ = ["ClassActivationMap", "LinearApproximation", "without_pooling"]

Array = np.ndarray[Any, Any]
#: By how much of their size gradients may differ that are taken for the same: single precision has 1e-6.
SAME = 1e-4


class LinearApproximation(LayerMethod):
    """Gradient times activation at a layer, summed over channels (Kindermans et al., 2016, arXiv:1611.07270)."""

    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> MethodOutput:
        """A map over the layer's places, neither rectified nor enlarged."""
        activation, slope = at_layer(self.call, additional_forward_args)
        return as_map(self.call, (layer_maps(self.call, activation) * layer_maps(self.call, slope)).sum(-1))


class ClassActivationMap(LayerMethod):
    """``M_c = Σ_k w_kc A_k``, with the weights of the dense layer behind the pooling (Zhou et al., 2016, arXiv:1512.04150).

    The weights are what the output changes by with the mean of a channel, so that no layer has to be found. It is the number of
    places times Grad-CAM.
    """

    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> MethodOutput:
        """A map over the layer's places, neither rectified nor enlarged.

        Raises
        ------
        InvalidArgumentError
            Behind the layer is something else than global average pooling and one dense layer.
        """
        activation, weights, lack = _weights(self.call, additional_forward_args)
        if lack:
            raise InvalidArgumentError(lack)
        return as_map(self.call, (activation * weights).sum(-1))


def without_pooling(call: MethodCall) -> str:
    """Why what is behind the layer is no global average pooling and one dense layer; empty if it is."""
    return _weights(call, call.option("extra"))[2]


def _weights(call: MethodCall, extra: Any) -> tuple[Array, Array, str]:
    """The layer's maps, the weights of its channels for each sample, and what speaks against there being any.

    Behind the layer lies a mean and a dense layer if the gradient is the same at every place, whatever the layer returns.
    """
    activation, slope = at_layer(call, extra)
    other = -0.7 * activation.flip(0).flip(1) + 0.3 * activation.abs().amax()
    _, elsewhere = at_layer(call, extra, other)
    maps, slopes, others = (layer_maps(call, tensor) for tensor in (activation, slope, elsewhere))
    places = tuple(range(1, slopes.ndim - 1))
    mean, size = slopes.mean(places, keepdims=True), max(float(np.abs(slopes).max(initial=0)), np.finfo(float).tiny)
    varies = np.abs(slopes - mean).max(initial=0) > SAME * size
    bends = np.abs(others - slopes).max(initial=0) > SAME * size
    lack = ""
    if varies or bends:
        how = "changes from place to place" if varies else "depends on what the layer returns"
        lack = (
            f"{call.spec.key} needs global average pooling and one dense layer behind the layer, and nothing else: the "
            f"gradient of the output there {how}. Name the layer whose output is pooled (the activation, not the convolution "
            "before it), or take grad_cam"
        )
    return maps, mean * np.prod(slopes.shape[1:-1]), lack
