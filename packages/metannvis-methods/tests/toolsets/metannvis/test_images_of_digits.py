"""A network for digits is sure of every image that is made for it, and the images are no rougher than digits are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods import visualization as parts
from metannvis_methods.examples import digits as data
from metannvis_methods.examples import load
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
from metannvis_methods.examples import generator_network, torch_network  # noqa: E402

WORDS: dict[str, Any] = {"toolset": "metannvis", "target": list(range(10)), "seed": 0, "steps": 400}


def roughness(images: np.ndarray) -> float:
    """Mean difference of neighbouring pixels."""
    return float((np.abs(np.diff(images, axis=-1)).mean() + np.abs(np.diff(images, axis=-2)).mean()) / 2)


@pytest.fixture(scope="module")
def trained() -> Any:
    found = data.load(0)
    images = found.train_images[:, None]
    network = torch_network.train(images, found.train_classes, epochs=6, seed=0, progress=lambda *told: None)
    return network, images, found.train_classes, roughness(found.test_images)


def check(trained: Any, **words: Any) -> None:
    network, _, _, real = trained
    found = explain(network, "activation_maximization", **{**WORDS, **words})
    assert found.probabilities.min() >= 0.95
    assert max(map(roughness, found.images)) <= real


def test_from_noise(trained: Any) -> None:
    check(trained, shape=(1, 8, 8), steps=None)
    check(trained, shape=(1, 8, 8), probability=0.97)
    network, _, _, real = trained
    plain = {"parameterization": "pixels", "transforms": [], "steps": 50, "shape": (1, 8, 8)}
    rough = explain(network, "activation_maximization", **{**WORDS, **plain})
    assert rough.probabilities.min() >= 0.95
    assert min(map(roughness, rough.images)) > real  # sure, and noise


def test_from_class_means(trained: Any) -> None:
    means = parts.class_means(trained[1], trained[2])
    pixels = {"parameterization": "pixels", "transforms": [], "regularizers": "l2:0.5"}
    check(trained, inputs=means, baselines=means, **pixels)


@pytest.mark.full
def test_in_code_space_and_with_an_expert(trained: Any) -> None:
    generator = generator_network.train(trained[1], epochs=30)
    code = parts.GeneratorCode(generator, generator_network.CODE)
    check(trained, shape=(1, 8, 8), parameterization=code, transforms=[])
    expert = parts.Expert(parts.train_denoising_autoencoder(trained[1], epochs=30), 2.0)
    regular = [expert, parts.TotalVariation(0.1)]
    check(trained, shape=(1, 8, 8), parameterization="pixels:0.1", transforms=[], regularizers=regular)


@pytest.fixture(scope="module")
def large() -> Any:
    """The demo's network, for digits of 28 × 28 pixels."""
    found = data.load(0, data.LARGE)
    return load("digits-torch").model, found.train_images[:, None], found.train_classes, roughness(found.test_images)


#: Pixels that begin near grey, without transforms.
QUIET: dict[str, Any] = {"parameterization": "pixels:0.1", "transforms": []}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 6))])
def test_from_noise_at_28_pixels(large: Any, seed: int) -> None:
    check(large, shape=(1, 28, 28), steps=None, seed=seed)


@pytest.mark.full
def test_from_means_and_in_code_space_at_28_pixels(large: Any) -> None:
    means = parts.class_means(large[1], large[2])
    check(large, inputs=means, baselines=means, regularizers="l2:0.05", **QUIET)
    generator = generator_network.train(large[1], epochs=30)
    code = parts.GeneratorCode(generator, generator_network.CODE)
    check(large, shape=(1, 28, 28), parameterization=code, transforms=[])
