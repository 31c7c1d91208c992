"""Maps of the toolset grad-cam by their papers' formulas, by hooks on the PyTorch network, neither enlarged nor scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodSpec

from .arguments import SEED, layer_of, target_of
from .maps import on_places
from .networks import Network

__all__ = ["cam_by_formula", "component"]

Array = np.ndarray[Any, Any]


def cam_by_formula(spec: MethodSpec, net: Network) -> Array:
    """A map as large as the layer, or as the first input."""
    if spec.key == "full_grad":
        return _full_grad(spec, net)
    layer = layer_of(spec, net)
    assert layer is not None
    path = next(name for name, _ in net.bare.named_modules() if name == layer.torch or name.endswith(f".{layer.torch}"))
    module = net.bare.get_submodule(path)
    seen: list[Any] = []
    hook = module.register_forward_hook(lambda _m, _a, out: seen.append(out))
    outputs = net.bare(*net.tensors())
    hook.remove()
    a = on_places(seen[0], net)
    if spec.key in OF_LAYER:
        return OF_LAYER[spec.key](a)
    score = _score(spec, net, outputs)
    if spec.key == "ablation_cam":
        return _ablation(spec, net, module, seen[0].detach(), a, score.detach().numpy())
    if spec.key == "score_cam":
        return _score_cam(spec, net, a)
    (gradient,) = torch.autograd.grad(score.sum(), seen[0], create_graph=True)
    if spec.key == "shapley_cam":
        gradient = gradient - 0.5 * _curvature(gradient, seen[0])
    return WITH_GRADIENTS[spec.key](a, on_places(gradient, net))


def _targets(spec: MethodSpec, net: Network) -> list[Any]:
    return [item if isinstance(item, tuple) else (item,) for item in target_of(spec, net)]


def _score(spec: MethodSpec, net: Network, outputs: Any) -> Any:
    targets = _targets(spec, net)
    if spec.key != "finer_cam":
        return torch.stack([outputs[(k, *place)] for k, place in enumerate(targets)])
    scores = []  # Zhang et al., equation 5: less the scores of the nearest classes, weighted by their probabilities
    for row, (main,) in zip(outputs, targets, strict=True):
        others = sorted(set(range(len(row))) - {main}, key=lambda k: float((row[k] - row[main]).abs()))[:3]
        weights = torch.softmax(row, 0)[others]
        scores.append((weights * (row[main] - row[others])).sum() / (weights.sum() + 1e-9))
    return torch.stack(scores)


def _curvature(gradient: Any, activations: Any) -> Any:
    """The product of the Hessian and the activations."""
    if gradient.grad_fn is None:
        return 0.0
    (found,) = torch.autograd.grad(gradient, activations, activations.detach(), retain_graph=True, allow_unused=True)
    return 0.0 if found is None else found


def _places(array: Array) -> tuple[int, ...]:
    return tuple(range(1, array.ndim - 1))


def component(rows: Array) -> Array:
    """Projections on the eigenvector of the covariance with the largest eigenvalue, the largest of them positive."""
    found = []
    for row in rows:
        flat = row.reshape(-1, row.shape[-1])
        flat = flat - flat.mean(0)
        projected = flat @ np.linalg.eigh(flat.T @ flat)[1][:, -1]
        found.append((projected * np.sign(projected[np.abs(projected).argmax()])).reshape(row.shape[:-1]))
    return np.stack(found)


def _kernel_component(rows: Array) -> Array:
    """The first kernel principal component, the kernel being tanh(x·y/C + 1); its sign as scikit-learn has it."""
    found = []
    for row in rows:
        flat = row.reshape(-1, row.shape[-1])
        flat = flat - flat.mean(0)
        kernel = np.tanh(flat @ flat.T / flat.shape[1] + 1)
        kernel = kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean()
        values, vectors = np.linalg.eigh(kernel)
        vector = vectors[:, -1]
        vector = vector * np.sign(vector[np.abs(vector).argmax()])
        found.append((vector * np.sqrt(values[-1])).reshape(row.shape[:-1]))
    return np.stack(found)


def _fem(a: Array) -> Array:
    """Fuad et al.: channels weighted by the share of places two standard deviations above their mean."""
    over = a > a.mean(_places(a), keepdims=True) + 2 * a.std(_places(a), keepdims=True)
    return np.einsum("n...c,nc->n...", a, over.mean(_places(a)))


def _random(a: Array) -> Array:
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    return np.einsum("n...c,nc->n...", a, np.random.uniform(-1, 1, (len(a), a.shape[-1])))  # noqa: NPY002


def _factors(a: Array) -> Array:
    """Factors by scikit-learn, of channels that are moved to zero, with concepts of length one."""
    from sklearn.decomposition import NMF

    flat = np.moveaxis(a, -1, 0).reshape(a.shape[-1], -1)
    model = NMF(n_components=3, init="random", random_state=0)
    concepts = model.fit_transform(flat - flat.min(1, keepdims=True))
    parts = model.components_ * np.linalg.norm(concepts, axis=0)[:, None]
    return np.moveaxis(parts.reshape(3, *a.shape[:-1]), 0, 1)


def _weighted(a: Array, weights: Array) -> Array:
    return np.einsum("n...c,nc->n...", a, weights)


def _grad_cam_plus_plus(a: Array, g: Array) -> Array:
    """Chattopadhyay et al., equation 19, with what the toolkit adds to the denominator."""
    alpha = g**2 / (2 * g**2 + a.sum(_places(a), keepdims=True) * g**3 + 1e-6)
    return _weighted(a, (np.maximum(g, 0) * np.where(g != 0, alpha, 0)).sum(_places(a)))


def _xgrad(a: Array, g: Array) -> Array:
    """Fu et al., equation 8."""
    return _weighted(a, (g * a / (a.sum(_places(a), keepdims=True) + 1e-7)).sum(_places(a)))


OF_LAYER: Mapping[str, Callable[[Array], Array]] = {
    "eigen_cam": component,
    "kpca_cam": _kernel_component,
    "fem": _fem,
    "random_cam": _random,
    "deep_feature_factorization": _factors,
}
WITH_GRADIENTS: Mapping[str, Callable[[Array, Array], Array]] = {
    **dict.fromkeys(("grad_cam", "shapley_cam", "finer_cam"), lambda a, g: _weighted(a, g.mean(_places(g)))),
    "grad_cam++": _grad_cam_plus_plus,
    "hires_cam": lambda a, g: (a * g).sum(-1),
    "grad_cam_elementwise": lambda a, g: np.maximum(a * g, 0).sum(-1),
    "xgrad_cam": _xgrad,
    "layer_cam": lambda a, g: (np.maximum(g, 0) * a).sum(-1),
    "eigen_grad_cam": lambda a, g: component(a * g),
    "seg_eigen_cam": lambda a, g: component(a * np.abs(g)),
}


def _ablation(spec: MethodSpec, net: Network, module: Any, returned: Any, a: Array, whole: Array) -> Array:
    """Desai, Ramaswamy, equation 3, channel after channel set to zero, of tokens those that stand for no place as well."""
    axis = 1 if net.row.tokens is None else 2
    weights = np.empty((len(a), a.shape[-1]))
    for channel in range(a.shape[-1]):
        without = returned.clone()
        without.select(axis, channel).zero_()
        hook = module.register_forward_hook(lambda _m, _a, _o, without=without: without)
        with torch.no_grad():
            weights[:, channel] = (whole - _score(spec, net, net.bare(*net.tensors())).numpy()) / whole
        hook.remove()
    return _weighted(a, weights)


def _score_cam(spec: MethodSpec, net: Network, a: Array) -> Array:
    """Wang et al., algorithm 1."""
    scores = np.empty((len(a), a.shape[-1]))
    for channel in range(a.shape[-1]):
        given = []
        for x in net.inputs:
            if x.ndim != a.ndim:
                given.append(torch.from_numpy(x.copy()))
                continue
            grown = np.stack([_enlarged(one, x.shape[2:]) for one in a[..., channel]])
            axes = tuple(range(1, grown.ndim))
            low, high = grown.min(axes, keepdims=True), grown.max(axes, keepdims=True)
            given.append(torch.from_numpy(x * ((grown - low) / (high - low + 1e-8))[:, None]))
        with torch.no_grad():
            scores[:, channel] = _score(spec, net, net.bare(*given)).numpy()
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return _weighted(a, weights / weights.sum(1, keepdims=True))


def _enlarged(array: Array, shape: tuple[int, ...], *, corners: bool = True) -> Array:
    """Linear interpolation, corner to corner, or half pixels at the border."""
    for axis, size in enumerate(shape):
        old = array.shape[axis]
        places = np.linspace(0, old - 1, size) if corners else (np.arange(size) + 0.5) * old / size - 0.5
        array = np.apply_along_axis(
            lambda row, old=old, places=places: np.interp(places, np.arange(old), row), axis, array
        )
    return array


def _full_grad(spec: MethodSpec, net: Network) -> Array:
    """Srinivas, Fleuret, equation 6: each channel scaled to 0…1, of what has the places of the first input."""
    outputs: list[tuple[Any, Any]] = []
    hooks = []
    for module in net.bare.modules():
        kind = type(module).__name__
        if kind.startswith("BatchNorm"):
            bias = module.bias - module.running_mean * module.weight / torch.sqrt(module.running_var + module.eps)
        elif kind.startswith("Conv") and module.bias is not None:
            bias = module.bias
        else:
            continue
        hooks.append(module.register_forward_hook(lambda _m, _a, out, bias=bias: outputs.append((bias, out))))
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in net.tensors()]
    score = _score(spec, net, net.bare(*inputs)).sum()
    for hook in hooks:
        hook.remove()
    (slope,) = torch.autograd.grad(score, inputs[0], retain_graph=True)
    parts = [(inputs[0] * slope).detach().numpy()]
    for bias, output in outputs:
        (slope,) = torch.autograd.grad(score, output, retain_graph=True, allow_unused=True)
        if slope is not None and output.ndim == inputs[0].ndim:
            parts.append((slope * bias.reshape(1, -1, *[1] * (output.ndim - 2))).detach().numpy())
    total = np.zeros((len(parts[0]), *parts[0].shape[2:]))
    for part in map(np.abs, parts):
        for k, sample in enumerate(part):
            for channel in sample:
                scaled = channel - channel.min()
                total[k] += _enlarged(scaled / (1e-7 + scaled.max()), total.shape[1:], corners=False)
    return total
