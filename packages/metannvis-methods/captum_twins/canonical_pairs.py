"""Methods that hook on modules, on PyTorch networks in every style: Captum itself, and we, against the module-style twin."""

from __future__ import annotations

import copy
import functools
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import captum.attr
import numpy as np
import torch
from metannvis_methods import explain
from metannvis_methods.toolsets.captum.deep_lift_interception import own_rules
from torch import nn

from .canonical_networks import SHAPES, STYLES, made
from .captum_pairs import methods_by_class, quiet

__all__ = ["CLASSES", "TOLERANCE", "Figures", "figures", "rows"]

Array = np.ndarray[Any, Any]
#: The four of the name, and what is built on them, each with the layer that it is asked about, if any.
CLASSES: dict[str, str] = {
    "DeepLift": "",
    "GuidedBackprop": "",
    "Deconvolution": "",
    "LRP": "",
    "DeepLiftShap": "",
    "GuidedGradCam": "conv2",
    "LayerDeepLift": "conv1",
    "LayerLRP": "conv2",
    "NeuronDeepLift": "conv2",
    "NeuronGuidedBackprop": "conv2",
    "NeuronDeconvolution": "conv2",
}
TOLERANCE = 1e-6
TARGETS = [1, 0, 3]


@dataclass(frozen=True)
class Figures:
    """max|a − b| / max|b| of the worst sample against the twin; what Captum raised instead on the network as it is."""

    network: str
    style: str
    cls: str
    captum: float | str
    ours: float


def rows() -> list[tuple[str, str, str]]:
    """Every network in every style but the twin's own, with every class that has something to say of it."""
    return [
        (network, style, cls)
        for network, styles in STYLES.items()
        for style in styles
        for cls in CLASSES
        if style != "modules" and (network != "curves" or "DeepLift" in cls)
    ]


def figures(network: str, style: str, cls: str, dtype: str = "float64") -> Figures:
    """One class on a network written in one style."""
    x = samples(network, dtype)
    words = call_of(cls, x)
    expected = twin_values(network, cls, dtype)
    try:
        theirs: float | str = relative(directly(made(network, style, dtype), cls, x), expected)
    except Exception as error:  # noqa: BLE001  # whatever Captum raises is the figure
        theirs = type(error).__name__
    own = dict(words)
    if CLASSES[cls]:
        own["layer"] = CLASSES[cls]
    if "neuron_selector" in own:
        own["neuron"] = own.pop("neuron_selector")
    model = source(network, style, dtype)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    key = methods_by_class()[cls]
    with quiet():
        # the example that it is translated from is another one, and no check stands between
        others = {name: value for name, value in own.items() if name != "baselines"}
        if "baselines" in own:
            others["baselines"] = own["baselines"] * x.dtype.type(0.5)
        explain(model, key, x[::-1] * x.dtype.type(0.7), toolset="captum", translation={"verify": False}, **others)
        found = explain(model, key, x, toolset="captum", translation={"verify": False}, **own)
    # activations that are modules of their own but work in place are made not to, for as long as the method runs
    as_it_is = style == "in place, modules" or "DeepLift" in cls  # whose rules see functions, too
    assert (found.translation is None) == as_it_is, f"{network}, {style}: canonical form"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    return Figures(network, style, cls, theirs, relative(found.values, expected))


@functools.cache
def source(network: str, style: str, dtype: str) -> nn.Module:
    """The network as its user has it, made once: its translation is kept with it."""
    return made(network, style, dtype)


@functools.cache
def twin_values(network: str, cls: str, dtype: str) -> Array:
    """Captum on the module-style twin."""
    return directly(made(network, "modules", dtype), cls, samples(network, dtype), ruled=True)


def samples(network: str, dtype: str) -> Array:
    """Three inputs."""
    return np.random.default_rng(7).standard_normal((3, *SHAPES[network])).astype(dtype)


def call_of(cls: str, x: Array) -> dict[str, Any]:
    """Arguments of a class beside its inputs."""
    random = np.random.default_rng(9)
    words: dict[str, Any] = {}
    if not cls.startswith("Neuron"):
        words["target"] = TARGETS
    else:
        words["neuron_selector"] = (1, 2, 2)[: x.ndim - 1]
    if cls.endswith("DeepLift"):
        words["baselines"] = random.uniform(-0.2, 0.2, (1, *x.shape[1:])).astype(x.dtype)
    if cls == "DeepLiftShap":
        words["baselines"] = random.uniform(-0.2, 0.2, (2, *x.shape[1:])).astype(x.dtype)
    return words


def directly(model: nn.Module, cls: str, x: Array, *, ruled: bool = False) -> Array:
    """Captum by its own documentation, on a copy; DeepLift with our rules if ``ruled``."""
    model = copy.deepcopy(model)
    words = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in call_of(cls, x).items()}
    layer = CLASSES[cls]
    with quiet():
        method = getattr(captum.attr, cls)
        method = method(model, model.get_submodule(layer)) if layer else method(model)
        with own_rules(model) if ruled and "DeepLift" in cls else nullcontext():
            values: Array = method.attribute(torch.from_numpy(x).requires_grad_(), **words).detach().numpy()
    return values


def relative(found: Array, expected: Array) -> float:
    """max|a − b| / max|b| of the worst sample."""
    assert found.shape == expected.shape
    a, b = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    scale = np.abs(b).max(axis=1)
    assert scale.any(), "results that are all zero show nothing"
    return float((np.abs(a - b).max(axis=1) / np.where(scale > 0, scale, scale.max())).max())
