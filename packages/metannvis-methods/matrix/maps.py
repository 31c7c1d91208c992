"""Class activation maps by their papers' formulas, by hooks on the PyTorch network, enlarged as tf-keras-vis does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodSpec
from scipy.ndimage import zoom

from .arguments import layer_of, target_of
from .networks import Network

__all__ = ["map_by_formula"]

Array = np.ndarray[Any, Any]


def map_by_formula(spec: MethodSpec, net: Network) -> Array:
    """A map, not rectified: of Captum as large as the layer, of tf-keras-vis as large as the input that has places."""
    layer = layer_of(spec, net)
    assert layer is not None
    seen: list[Any] = []
    hook = net.bare.get_submodule(_path(net.bare, layer.torch)).register_forward_hook(
        lambda _m, _a, out: seen.append(out)
    )
    outputs = net.bare(*net.tensors())
    hook.remove()
    targets = [item if isinstance(item, tuple) else (item,) for item in target_of(spec, net)]
    scores = torch.stack([outputs[(k, *place)] for k, place in enumerate(targets)])
    (gradient,) = torch.autograd.grad(scores.sum(), seen[0])
    a, g, s = on_places(seen[0], net), on_places(gradient, net), scores.detach().numpy()
    if spec.key == "score_cam":
        cam = _score_cam(net, a, targets)
    else:
        formulas = {"grad_cam++": _grad_cam_plus_plus, "layer_cam": _layer_cam}
        cam = formulas.get(spec.key, _grad_cam)(a, g, s)
    if spec.toolset == "captum":
        return cam
    shape = next((x.shape[2:] for x in net.inputs if x.ndim == cam.ndim + 1), cam.shape[1:])
    return enlarged(cam, shape)


def enlarged(cam: Array, shape: tuple[int, ...], mode: str = "constant") -> Array:
    """A map over the places of an input, as tf-keras-vis enlarges it."""
    return zoom(cam, [1, *(new / old for new, old in zip(shape, cam.shape[1:], strict=True))], order=1, mode=mode)


def on_places(tensor: Any, net: Network) -> Array:
    """What a layer returns as (N, places…, channels)."""
    array = tensor.detach().numpy()
    if net.row.tokens is None:
        return np.moveaxis(array, 1, -1)
    *places, before = net.row.tokens
    return array[:, before:].reshape(len(array), *places, -1)


def _places(array: Array) -> tuple[int, ...]:
    return tuple(range(1, array.ndim - 1))


def _grad_cam(a: Array, g: Array, s: Array) -> Array:
    """Selvaraju et al., equations 1 and 2."""
    return np.einsum("n...c,nc->n...", a, g.mean(_places(g)))


def _layer_cam(a: Array, g: Array, s: Array) -> Array:
    """Jiang et al., equations 5 to 7."""
    return (np.maximum(g, 0) * a).sum(-1)


def _grad_cam_plus_plus(a: Array, g: Array, s: Array) -> Array:
    """Chattopadhyay et al., equations 10 and 19, of the exponential of the score; as tf-keras-vis normalises the weights."""
    up = np.exp(s).reshape(-1, *[1] * (g.ndim - 1))
    first, second, third = up * g, up * g**2, up * g**3
    total = a.sum(_places(a), keepdims=True)
    below = 2 * second + third * total
    alpha = second / (below + (second == 0))
    norm = alpha.sum(_places(alpha), keepdims=True)
    weights = (first * alpha / (norm + (norm == 0))).sum(_places(alpha))  # not rectified, since the map is not either
    return np.einsum("n...c,nc->n...", a, weights)


def _score_cam(net: Network, a: Array, targets: list[Any]) -> Array:
    """Wang et al., algorithm 1, with the softmax over classes that tf-keras-vis takes."""
    weights = np.empty((len(a), a.shape[-1]))
    for channel in range(a.shape[-1]):
        given = []
        for x in net.inputs:
            if x.ndim != a.ndim:
                given.append(torch.from_numpy(x.copy()))
                continue
            grown = enlarged(a[..., channel], x.shape[2:], mode="nearest")
            axes = tuple(range(1, grown.ndim))
            low, high = grown.min(axes, keepdims=True), grown.max(axes, keepdims=True)
            given.append(torch.from_numpy(x * ((grown - low) / (high - low + 1e-7))[:, None]))
        with torch.no_grad():
            outputs = torch.softmax(torch.moveaxis(net.bare(*given), 1, -1), -1)
        for k, (label, *place) in enumerate(targets):
            weights[k, channel] = outputs[(k, *place, label)]
    return np.einsum("n...c,nc->n...", a, weights)


def _path(twin: Any, path: str) -> str:
    return next(name for name, _ in twin.named_modules() if name == path or name.endswith(f".{path}"))
