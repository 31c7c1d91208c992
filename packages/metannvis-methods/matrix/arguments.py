"""Arguments of every method for a network, by what they mean: a new row gets its own without being named here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodSpec

from .networks import Layer, Network, to_keras

__all__ = ["SEED", "arguments", "in_layout", "layer_of", "target_of"]

Array = np.ndarray[Any, Any]
SEED = 3
#: Options by the toolkits' names, where the defaults would take long or show nothing.
OPTIONS: dict[str, Any] = {"n_steps": 5, "n_samples": 3, "stdevs": 0.1}
OPTIONS_OF: dict[tuple[str, str], dict[str, Any]] = {
    ("captum", "saliency"): {"abs": False},
    # Captum's own sums; ours are others, see tests/test_axioms.py
    ("captum", "layer_conductance"): {"method": "gausslegendre"},
    ("captum", "neuron_conductance"): {"method": "gausslegendre"},
    ("captum", "lime"): {"n_samples": 20},
    ("captum", "kernel_shap"): {"n_samples": 20},
    ("grad-cam", "deep_feature_factorization"): {"n_components": 3},
    ("metannvis", "rise"): {"n_masks": 12, "cells": 3},
    ("metannvis", "sobol"): {"n_designs": 4, "cells": 3},
    ("metannvis", "filter_guided_backprop"): {"channel": 1},
    ("metannvis", "extremal_perturbation"): {"areas": (0.3,)},
    ("metannvis", "simple_taylor"): {"n_steps": 40},
    ("metannvis", "activation_maximization"): {"steps": 3, "transforms": []},
    ("metannvis", "render"): {"steps": 3, "transforms": []},
    ("metannvis", "deep_dream"): {"steps": 2, "octaves": 1, "jitter": 0},
    ("metannvis", "invert_representation"): {"steps": 3},
    ("tf-keras-vis", "saliency"): {"keepdims": True, "normalize_map": False, "gradient_modifier": None},
    ("tf-keras-vis", "smooth_grad"): {"smooth_samples": 3},
    ("tf-keras-vis", "activation_maximization"): {"steps": 3, "input_modifiers": []},
    # rectified and scaled, as they are without a word, maps of random networks are zero here and there
    **{
        ("tf-keras-vis", key): {"normalize_cam": False, "activation_modifier": None}
        for key in ("grad_cam", "grad_cam++", "score_cam", "layer_cam")
    },
}
#: Roles whose values are one array, or one number an axis, an input.
LIKE_INPUTS = ("baseline", "distribution", "feature_mask", "window", "stride")


def layer_of(spec: MethodSpec, net: Network) -> Layer | None:
    """The layer that a method is asked about."""
    asked = spec.by_role("layer")
    if asked is None or (spec.optimizes and not asked.required):  # of a layer or of a target
        return None
    if "pooling" in spec.needs and net.row.pooled is not None:
        return net.row.pooled
    if spec.draws_maps:
        return net.row.map_layer or net.row.layer
    return net.row.layer


def target_of(spec: MethodSpec, net: Network) -> Any:
    """Classes or positions, one a sample; a function of the output where Captum refuses all others."""
    if spec.by_role("target", "score") is None:
        return None
    if spec.key == "layer_feature_permutation":
        return net.row.targets[0]
    return list(net.row.targets[: 1 if spec.key == "lime_base" else None])


def arguments(spec: MethodSpec, net: Network) -> dict[str, Any]:
    """Arguments by the toolkit's names, in PyTorch's layout; those like inputs as a tuple of one an input."""
    layer = layer_of(spec, net)
    shape = layer_shape(net, layer) if layer is not None else ()
    made: dict[str, Callable[[], Any]] = {
        "baseline": lambda: _samples(net, 1, 9),
        "distribution": lambda: _samples(net, 2, 10),
        "feature_mask": lambda: _masks(net),
        "window": lambda: net.row.window,
        "stride": lambda: net.row.stride,
        "layer_baseline": lambda: np.random.default_rng(11).uniform(-0.2, 0.2, (1, *shape)),
        "layer_mask": lambda: (np.arange(int(np.prod(shape))) % 4).reshape(1, *shape),
        "neuron": lambda: net.neuron,
    }
    found = {argument.name: made[argument.role]() for argument in spec.arguments if argument.role in made}
    if spec.optimizes:  # what they make has no masks, windows or neurons
        found = {}
    names = {argument.name for argument in spec.arguments}
    found |= {name: value for name, value in OPTIONS.items() if name in names}
    found |= OPTIONS_OF.get((spec.toolset, spec.key), {})
    if "input_range" in names:
        found["input_range"] = [(0.0, 1.0)] * len(net.inputs) if len(net.inputs) > 1 else (0.0, 1.0)
    if spec.key == "lime":
        found["interpretable_model"] = _lasso()
    if spec.key == "lime_base":
        found |= _lime_base()
    return found


def in_layout(spec: MethodSpec, net: Network, words: dict[str, Any], framework: str) -> dict[str, Any]:
    """The same for a model of a framework: in its layout, and a tuple only for several inputs."""
    keras = framework == "tensorflow"
    found = {}
    for name, value in words.items():
        argument = spec.argument(name)
        role = argument.role if argument is not None else None
        if role in LIKE_INPUTS:
            items = tuple(to_keras(item, net.row) if keras else item for item in value)
            value = items if len(items) > 1 else items[0]
        elif role in ("layer_baseline", "layer_mask", "neuron") and keras:
            value = to_keras(value, net.row)
        found[name] = value
    return found


def layer_shape(net: Network, layer: Layer) -> tuple[int, ...]:
    """Shape of what a layer returns, PyTorch's layout, without the batch."""
    seen: list[tuple[int, ...]] = []
    hook = net.torch.get_submodule(layer.torch).register_forward_hook(lambda _m, _a, out: seen.append(tuple(out.shape)))
    with torch.no_grad():
        net.torch(*net.tensors())
    hook.remove()
    return seen[0][1:]


def _samples(net: Network, count: int, seed: int) -> tuple[Array, ...]:
    """Values like the inputs. Of noise: on constant ones a maximum pool would decide by rounding."""
    random = np.random.default_rng(seed)
    if net.row.words:
        return tuple(random.integers(1, net.row.words, (count, *x.shape[1:])) for x in net.inputs)
    return tuple(random.uniform(-0.3, 0.3, (count, *x.shape[1:])) for x in net.inputs)


def _masks(net: Network) -> tuple[Array, ...]:
    """Three features of the first input, two of each further one."""
    random, found, first = np.random.default_rng(12), [], 0
    for x in net.inputs:
        count = 2 if found else 3
        found.append(first + random.permutation(np.arange(x[0].size) % count).reshape(1, *x.shape[1:]))
        first += count
    return tuple(found)


def _lasso() -> Any:
    """Less strict than Captum's own, which leaves nothing of small effects."""
    from captum._utils.models.linear_model import SkLearnLasso

    return SkLearnLasso(alpha=1e-4)


def _lime_base() -> dict[str, Any]:
    from captum._utils.models.linear_model import SkLearnLinearRegression

    return {
        "interpretable_model": SkLearnLinearRegression(),
        "similarity_func": _similarity,
        "perturb_func": _perturbed,
        "perturb_interpretable_space": False,
        "from_interp_rep_transform": None,
        "to_interp_rep_transform": _features,
        "n_samples": 10,
    }


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _similarity(original: Any, perturbed: Any, features: Any, **words: Any) -> Any:
    pairs = zip(_several(original), _several(perturbed), strict=True)
    return torch.exp(-sum(((a.double() - b.double()) ** 2).mean() for a, b in pairs))


def _perturbed(original: Any, **words: Any) -> Any:
    """Noise that does not depend on how the elements lie; indices are rolled."""

    def one(x: Any) -> Any:
        if not x.is_floating_point():
            return x.roll(int(torch.randint(x.shape[-1], ())), -1)
        return x * (1 + 0.3 * torch.randn((), dtype=x.dtype)) + 0.1 * torch.randn((), dtype=x.dtype)

    return tuple(map(one, original)) if isinstance(original, tuple) else one(original)


def _features(sample: Any, original: Any, **words: Any) -> Any:
    """Three features of a sample, whatever it is: sums that do not depend on the order of its elements."""
    parts = [x.double() for x in _several(sample)]
    sums = [sum(x.sum() for x in parts), sum((x**2).sum() for x in parts), parts[0].reshape(-1)[0]]
    return torch.stack(sums).reshape(1, -1)
