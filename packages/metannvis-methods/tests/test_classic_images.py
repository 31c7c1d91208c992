"""The classes of nn_interpretability that make images: each gives what ``explain`` does with the words it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import classic, explain
from metannvis_methods import visualization as parts
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

from .test_classic import NAMES, image_of

ASCENT = {"toolset": "metannvis", "target": 3, "seed": 0, "transforms": [], "steps": 5}


class Expert:
    """Bright images are likely."""

    def log_likelihood(self, images: Any) -> Any:
        return images.flatten(1).sum(1)


def shape_of(framework: str) -> tuple[int, ...]:
    return (1, 8, 8) if framework == "torch" else (8, 8, 1)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_activation_maximization_from_an_image_to_a_mean(framework: str, digits: Any) -> None:
    model, x = image_of(digits, framework)
    start, mean = np.clip(x, 0, 1), np.full_like(x, 0.3)
    words = {"preprocess": lambda image: image / 16, "seed": 0}
    made = classic.ActivationMaximization(model, NAMES, input_size=(8, 8), start_img=16 * start, class_num=3, lr=0.02, reg_term=0.1, class_mean=mean, epochs=5, **words)  # fmt: skip
    assert made.last_probability() is None
    found = made.interpret()
    expected = explain(
        model,
        "activation_maximization",
        start,
        baselines=mean,
        regularizers=[parts.L2(0.1)],
        optimizer=parts.Adam(0.02),
        parameterization="pixels",
        probability=0.999,
        **ASCENT,
    )
    np.testing.assert_allclose(found, expected.values, rtol=0, atol=1e-12)
    assert np.abs(found - start).max() > 0.05
    assert made.last_probability() == pytest.approx(float(expected.probabilities[0]), abs=1e-12)
    assert made.explanation.labels == tuple(NAMES)
    np.testing.assert_array_equal(made.interpret(16 * start), found)


def test_activation_maximization_from_noise_with_an_expert(digits: Any) -> None:
    made = classic.ActivationMaximization(
        digits.torch64, None, None, (1, 8, 8), class_num=3, epochs=5, threshold=None, expert=Expert(), seed=0
    )
    expected = explain(
        digits.torch64,
        "activation_maximization",
        shape=(1, 8, 8),
        regularizers=[parts.Expert(Expert())],
        parameterization="pixels",
        **ASCENT,
    )
    found = made.interpret()
    np.testing.assert_array_equal(found, expected.values)
    weighted = classic.ActivationMaximization(
        digits.torch64, None, None, (1, 8, 8), class_num=3, epochs=5, expert=parts.Expert(Expert(), 0.0), seed=0
    )
    assert np.abs(weighted.interpret() - found).max() > 1e-3


def test_an_image_of_each_class(digits: Any) -> None:
    made = classic.ActivationMaximization(digits.torch64, NAMES, None, (1, 8, 8), epochs=5, threshold=None, seed=0)
    found = made.each_class(classes=[3, 5])
    assert list(found) == ["digit 3", "digit 5"]
    expected = explain(
        digits.torch64, "activation_maximization", shape=(1, 8, 8), parameterization="pixels", regularizers=[], **ASCENT
    )
    np.testing.assert_array_equal(found["digit 3"].values, expected.values)
    assert np.abs(found["digit 5"].values - expected.values).max() > 1e-3


@pytest.mark.parametrize("dcgan", [False, True])
def test_activation_maximization_in_code_space(dcgan: bool, digits: Any) -> None:
    nn = require("torch").nn
    require("torch").manual_seed(0)
    first = (nn.Flatten(),) if dcgan else ()
    generator = nn.Sequential(*first, nn.Linear(5, 64), nn.Unflatten(1, (1, 8, 8)), nn.Tanh()).double().train()
    code = (5, 1, 1) if dcgan else 5
    mean = np.full((1, 1, 8, 8), 0.3)
    made = classic.ActivationMaximizationCodespace(
        digits.torch64, None, None, (1, 8, 8), 3, 0.02, 0.1, 5, generator, 5, mean, is_dcgan=dcgan, image_range=(-1, 1), seed=0
    )  # fmt: skip
    found = made.interpret()
    assert generator.training
    expected = explain(
        digits.torch64,
        "activation_maximization",
        shape=(1, 8, 8),
        baselines=mean,
        regularizers=[parts.L2(0.1)],
        optimizer=parts.Adam(0.02),
        parameterization=parts.GeneratorCode(generator, code=code, weight=0.0025, image_range=(-1, 1)),
        probability=0.99,
        **ASCENT,
    )
    np.testing.assert_array_equal(found, expected.values)
    with pytest.raises(InvalidArgumentError, match="takes no image"):
        made.interpret(mean)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("layer", [1, "conv2"])  # there is one of padding before "conv1"
def test_deep_dream(framework: str, layer: Any, rgb: Any) -> None:
    model, x = image_of(rgb, framework)
    image = np.clip(x, 0, 1)
    words = {"octaves": 1, "seed": 0, "unfit": "ignore"}
    found = classic.DeepDream(model, None, layer, 2, 0.02, iteration=3, tile_size=1, **words).interpret(image)
    asked = {
        "layer": "conv1" if layer == 1 else layer,
        "channel": 2,
        "rate": 0.02,
        "steps": 3,
        "jitter": 1,
        "toolset": "metannvis",
        **words,
    }
    expected = explain(model, "deep_dream", image, **asked)
    np.testing.assert_array_equal(found, expected.values)
    assert np.abs(found - image).max() > 1e-3


def test_deep_dream_of_a_whole_layer(rgb: Any) -> None:
    image = np.clip(rgb.x[:1], 0, 1)
    words = {"octaves": 1, "seed": 0, "unfit": "ignore"}
    found = classic.DeepDream(rgb.torch64, None, "conv2", slice(None), iteration=2, **words).interpret(image)
    expected = explain(rgb.torch64, "deep_dream", image, layer="conv2", steps=2, toolset="metannvis", **words)
    np.testing.assert_array_equal(found, expected.values)


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        ("ActivationMaximization", {"verbose": True}, "progress=function"),
        ("ActivationMaximization", {"class_num": 1, "target": 2}, "give one"),
        ("ActivationMaximization", {"regularizers": []}, "regularizers is none"),
        ("ActivationMaximizationCodespace", {}, "generator is a network"),
        ("ActivationMaximizationCodespace", {"generator": object(), "latent_dim": 0}, "shape of a code"),
        ("DeepDream", {"noise": 0.1}, "reg_term and noise"),
        ("DeepDream", {"selected_layer": -1}, "counts layers from 0"),
        ("DeepDream", {"selected_channel": slice(2)}, r"or slice\(None\)"),
    ],
)
def test_what_cannot_be_is_refused_at_once(cls: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        getattr(classic, cls)(None, **given)


def test_a_layer_that_there_is_not(rgb: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="no layer 99: pad, conv1"):
        classic.DeepDream(rgb.torch64, None, 99).interpret(rgb.x[:1])
