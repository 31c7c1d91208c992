"""How each of Captum's attributing classes is called, natively and by us: the same words for both, a row a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .captum_networks import Network

__all__ = ["APART", "CASES", "SEED", "Case", "words_of"]

Array = np.ndarray[Any, Any]
SEED = 3
#: Classes that attribute nothing by themselves: they wrap other methods, or models of language.
APART = ("DataLoaderAttribution", "LLMAttribution", "LLMGradientAttribution", "NoiseTunnel", "RemoteLLMAttribution")

#: Words that stand for arrays: one baseline a sample; several to draw from; a third of the input each; groups of a layer's
#: neurons; a window and its steps.
BASELINES, DISTRIBUTION, THIRDS, NEURONS = "baselines", "distribution", "thirds", "neurons"
WINDOW, STRIDES = "window", "strides"


@dataclass(frozen=True)
class Case:
    """One class.

    Attributes
    ----------
    init, call
        Arguments by Captum's names; strings may stand for arrays (above). ``parts`` are those of Lime: its ``"model"``, or all.
    target
        Whether it is asked about an output.
    layer, neuron
        Whether it is asked about a layer, and about a neuron of it.
    single
        It takes one sample at a time.
    score
        It is asked about a network of one output a sample as well, which no target is named for: Captum refuses one.
    """

    init: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    target: bool = True
    layer: bool = False
    neuron: bool = False
    single: bool = False
    score: bool = False


def _path(**more: bool) -> Case:
    return Case(call={"n_steps": 7, "baselines": BASELINES}, **more)


def _samples(**more: bool) -> Case:
    return Case(call={"baselines": DISTRIBUTION, "n_samples": 3, "stdevs": 0.1}, **more)


def _similarity(original: Any, perturbed: Any, features: torch.Tensor, **words: Any) -> torch.Tensor:
    return torch.exp(-((original - perturbed) ** 2).mean())


def _perturb(original: torch.Tensor, **words: Any) -> torch.Tensor:
    return original + 0.1 * torch.randn_like(original)


def _features(sample: torch.Tensor, original: torch.Tensor, **words: Any) -> torch.Tensor:
    """Three features of a sample, whatever it is: sums that do not depend on the order of its elements."""
    return torch.stack([sample.sum(), (sample**2).sum(), sample.max()]).reshape(1, -1)


def _linear() -> Any:
    from captum._utils.models.linear_model import SkLearnLinearRegression

    return SkLearnLinearRegression()


def _lasso() -> Any:
    """Less strict than Captum's own, which leaves nothing of small effects."""
    from captum._utils.models.linear_model import SkLearnLasso

    return SkLearnLasso(alpha=1e-4)


def _lime_base() -> dict[str, Any]:
    return {
        "interpretable_model": _linear(),
        "similarity_func": _similarity,
        "perturb_func": _perturb,
        "perturb_interpretable_space": False,
        "from_interp_rep_transform": None,
        "to_interp_rep_transform": _features,
    }


ABLATE = {"feature_mask": THIRDS, "baselines": BASELINES}
LAYER, NEURON = {"layer": True}, {"layer": True, "neuron": True, "target": False}

CASES: dict[str, Case] = {
    "IntegratedGradients": _path(),
    "Saliency": Case(),
    "InputXGradient": Case(),
    "DeepLift": Case(call={"baselines": BASELINES}),
    "DeepLiftShap": Case(call={"baselines": DISTRIBUTION}),
    "GradientShap": _samples(),
    "GuidedBackprop": Case(),
    "Deconvolution": Case(),
    "GuidedGradCam": Case(**LAYER),
    "LRP": Case(),
    "FeatureAblation": Case(call={"baselines": BASELINES}),
    "FeaturePermutation": Case(call={"feature_mask": THIRDS}),
    "Occlusion": Case(call={"sliding_window_shapes": WINDOW, "strides": STRIDES, "baselines": BASELINES}),
    "ShapleyValueSampling": Case(call={**ABLATE, "n_samples": 5}),
    "ShapleyValues": Case(call=ABLATE),
    "Lime": Case(init={"parts": "model"}, call={**ABLATE, "n_samples": 20}),
    "KernelShap": Case(call={**ABLATE, "n_samples": 20}),
    "LimeBase": Case(init={"parts": "all"}, call={"n_samples": 10}, single=True),
    "LayerIntegratedGradients": _path(**LAYER),
    "LayerGradientXActivation": Case(**LAYER),
    "LayerActivation": Case(target=False, layer=True),
    "LayerConductance": Case(call={**_path().call, "method": "gausslegendre"}, **LAYER),  # its own sum; ours is another
    "InternalInfluence": _path(**LAYER),
    "LayerDeepLift": Case(call={"baselines": BASELINES}, **LAYER),
    "LayerDeepLiftShap": Case(call={"baselines": DISTRIBUTION}, **LAYER),
    "LayerGradientShap": _samples(**LAYER),
    "LayerGradCam": Case(**LAYER),
    "LayerLRP": Case(**LAYER),
    "LayerFeatureAblation": Case(call={"layer_mask": NEURONS}, **LAYER),
    "LayerFeaturePermutation": Case(call={"layer_mask": NEURONS}, score=True, **LAYER),
    "NeuronGradient": Case(**NEURON),
    "NeuronIntegratedGradients": _path(**NEURON),
    "NeuronConductance": Case(call={**_path().call, "method": "gausslegendre"}, layer=True, neuron=True),
    "NeuronDeepLift": Case(call={"baselines": BASELINES}, **NEURON),
    "NeuronDeepLiftShap": Case(call={"baselines": DISTRIBUTION}, **NEURON),
    "NeuronGradientShap": _samples(**NEURON),
    "NeuronFeatureAblation": Case(call=ABLATE, **NEURON),
    "NeuronGuidedBackprop": Case(**NEURON),
    "NeuronDeconvolution": Case(**NEURON),
}


def words_of(words: Mapping[str, Any], net: Network, x: Array, output: Array | None) -> dict[str, Any]:
    """Arguments with their arrays, in the order of the twin."""
    if words.get("parts") == "all":
        return _lime_base()
    if words.get("parts") == "model":
        return {"interpretable_model": _lasso()}
    random = np.random.default_rng(9)
    size = int(np.prod(x.shape[1:]))
    window = tuple(net.window[k - 1] for k in net.order[1:])
    arrays: dict[str, Any] = {
        # of noise: on a constant one neighbours are equal but for rounding, which then decides what a maximum pool takes
        BASELINES: random.uniform(-0.2, 0.2, (1, *x.shape[1:])),
        DISTRIBUTION: x[:2] * 0.3 + random.uniform(-0.2, 0.2, (2, *x.shape[1:])),
        THIRDS: random.permutation(np.arange(size) % 3).reshape(1, *x.shape[1:]),
        WINDOW: window,
        STRIDES: tuple(max(1, n - 1) for n in window),
    }
    if output is not None:
        arrays[NEURONS] = (np.arange(output[0].size) % 5).reshape(1, *output.shape[1:])
    found = {name: arrays.get(value, value) if isinstance(value, str) else value for name, value in words.items()}
    return {name: value.astype(x.dtype) if _is_float(value) else value for name, value in found.items()}


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
