"""Two inputs, an image and a row of features, and a branch that is shared: ours against a native twin."""

from __future__ import annotations

from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from metannvis_methods import explain
from metannvis_methods.toolsets.captum.shapley_sums import summed_as
from metannvis_translate import Translation, translate
from metannvis_translate.frameworks.requirements import require
from torch import Tensor, nn

require("tensorflow")
import keras  # noqa: E402

from .captum_cases import SEED  # noqa: E402
from .captum_pairs import methods_by_class, quiet  # noqa: E402
from .captum_twin_modules import Addition_Module  # noqa: E402
from .captum_weights import copy_into, randomize  # noqa: E402

layers = keras.layers
Array = np.ndarray[Any, Any]


def two_inputs() -> Any:
    """The same two layers see both halves of the features; the image goes through a convolution."""
    image, features = keras.Input((8, 6, 3), name="image"), keras.Input((10,), name="features")
    x = layers.ReLU(name="relu")(layers.Conv2D(4, 3, name="conv")(image))
    x = layers.Dense(6, name="see")(layers.Flatten(name="flatten")(x))
    shared, act = layers.Dense(6, name="shared"), layers.Activation("tanh", name="act")
    y = layers.Add(name="add")([act(shared(features[:, :5])), act(shared(features[:, 5:]))])
    x = layers.Add(name="both")([x, y])
    return keras.Model([image, features], layers.Dense(4, name="classes")(x), name="two_inputs")


class TwoInputs(nn.Module):
    """(N, 3, 8, 6) and (N, 10) to logits (N, 4). For Captum, a shared layer is two modules with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
        self.see = nn.Linear(6 * 4 * 4, 6)
        self.shared, self.again = nn.Linear(5, 6), nn.Linear(5, 6)
        self.again.weight, self.again.bias = self.shared.weight, self.shared.bias
        self.act1, self.act2 = nn.Tanh(), nn.Tanh()
        self.add, self.both = Addition_Module(), Addition_Module()
        self.classes = nn.Linear(6, 4)

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        x = self.see(self.relu(self.conv(image)).permute(0, 2, 3, 1).flatten(1))
        y = self.add(self.act1(self.shared(features[:, :5])), self.act2(self.again(features[:, 5:])))
        return self.classes(self.both(x, y))


@pytest.fixture(scope="module")
def both() -> tuple[Translation, nn.Module, tuple[Array, Array]]:
    """The translation, the twin, and inputs in Keras' order."""
    model = randomize(two_inputs(), 1)
    random = np.random.default_rng(2)
    inputs = (random.standard_normal((3, 8, 6, 3)), random.standard_normal((3, 10)))
    return translate(model, "torch", dtype="float64", verify=False), copy_into(TwoInputs(), model), inputs


def _masks() -> tuple[Array, Array]:
    return (np.arange(8 * 6 * 3) % 3).reshape(1, 8, 6, 3), (3 + np.arange(10) % 2).reshape(1, 10)


def _baselines(count: int) -> tuple[Array, Array]:
    random = np.random.default_rng(9)
    return random.uniform(-0.2, 0.2, (count, 8, 6, 3)), random.uniform(-0.2, 0.2, (count, 10))


CASES: dict[str, dict[str, Any]] = {
    "IntegratedGradients": {"n_steps": 5, "baselines": _baselines(1)},
    "Saliency": {},
    "DeepLift": {"baselines": _baselines(1)},
    "DeepLiftShap": {"baselines": _baselines(2)},
    "GradientShap": {"baselines": _baselines(2), "n_samples": 3, "stdevs": 0.1},
    "GuidedBackprop": {},
    "Deconvolution": {},
    "GuidedGradCam": {},
    "LRP": {},
    "FeatureAblation": {"feature_mask": _masks(), "baselines": _baselines(1)},
    "FeaturePermutation": {"feature_mask": _masks()},
    "Occlusion": {"sliding_window_shapes": ((4, 3, 2), (4,)), "strides": ((2, 3, 1), (3,))},
    "ShapleyValueSampling": {"feature_mask": _masks(), "n_samples": 3},
    "KernelShap": {"feature_mask": _masks(), "n_samples": 20},
    "LayerConductance": {"n_steps": 5, "baselines": _baselines(1), "method": "gausslegendre"},
    "LayerDeepLift": {"baselines": _baselines(1)},
    "LayerLRP": {},
    "NeuronIntegratedGradients": {"n_steps": 5, "neuron_selector": (2,)},
    "NeuronGuidedBackprop": {"neuron_selector": (2,)},
}


def first(value: Any) -> Any:
    """Arguments in Keras' order as the twin has them."""
    if isinstance(value, tuple) and value and isinstance(value[0], (np.ndarray, tuple)):
        return tuple(first(item) for item in value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy((value.transpose(0, 3, 1, 2) if value.ndim == 4 else value).copy())
    if isinstance(value, tuple) and len(value) == 3:
        return (value[2], value[0], value[1])
    return value


@pytest.mark.parametrize("cls", CASES)
def test_two_inputs(cls: str, both: tuple[Translation, nn.Module, tuple[Array, Array]]) -> None:
    translation, twin, inputs = both
    words = dict(CASES[cls])
    call = {name: first(value) for name, value in words.items()}
    if "method" in words:
        words["options"] = {"method": words.pop("method")}
    if "neuron_selector" in words:
        words["neuron"] = words.pop("neuron_selector")
    else:
        words["target"] = call["target"] = [1, 0, 3]
    # a neuron that both inputs reach
    layer = "both" if cls.startswith("Neuron") else "conv" if cls.startswith(("Layer", "GuidedGradCam")) else None
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    with quiet():
        method = getattr(captum.attr, cls)
        method = method(twin, twin.get_submodule(layer)) if layer else method(twin)
        with summed_as(torch.float64):  # Shapley values, which Captum adds up in single precision
            expected = method.attribute(tuple(x.requires_grad_() for x in first(inputs)), **call)
        words |= {"layer": layer} if layer else {}
        key = methods_by_class()[cls]
        found = explain(
            translation.source, key, inputs, toolset="captum", seed=SEED, translation=translation, **words
        ).values
    expected, found = (value if isinstance(value, tuple) else (value,) for value in (expected, found))
    assert len(expected) == len(found)
    for theirs, ours in zip(expected, found, strict=True):
        ours = ours.transpose(0, 3, 1, 2) if ours.ndim == 4 else ours
        assert ours.shape == tuple(theirs.shape)
        scale = float(theirs.detach().abs().max()) if theirs.numel() else 0.0
        assert np.abs(ours - theirs.detach().numpy()).max(initial=0) <= 1e-9 * scale
        assert scale or not theirs.numel()
