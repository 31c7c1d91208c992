"""Baselines and feature masks by word, and masks of fewer axes than the input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitError, UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.inputs.baselines import baseline
from metannvis_methods.inputs.feature_masks import feature_mask, superpixels
from metannvis_translate.frameworks.requirements import require

keras = require("keras")
L = keras.layers


@pytest.fixture(scope="module")
def net() -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((12, 16, 3))
    y = L.GlobalAveragePooling2D()(L.Conv2D(6, 3, activation="relu")(x))
    return keras.Model(x, L.Dense(3)(y))


IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 12, 16, 3)).astype("float32")
HALVES = (np.arange(12)[:, None] // 6) + 0 * np.arange(16)


def shapley(net: Any, image: np.ndarray) -> np.ndarray:
    def f(*on: int) -> float:
        return float(net(image[None] * np.array(on)[HALVES][None, :, :, None])[0, 1])

    return np.array(
        [(f(1, 0) - f(0, 0) + f(1, 1) - f(0, 1)) / 2, (f(0, 1) - f(0, 0) + f(1, 1) - f(1, 0)) / 2], "float32"
    )


@pytest.mark.parametrize("method", ["shapley_values", "feature_ablation", "kernel_shap"])
@pytest.mark.parametrize("mask", [HALVES, HALVES[None], np.stack([HALVES, HALVES])], ids=["H W", "1 H W", "N H W"])
def test_a_mask_may_be_without_channels(mask: Any, method: str, net: Any) -> None:
    words = {"target": 1, "toolset": "captum", "seed": 0, **({"n_samples": 60} if method == "kernel_shap" else {})}
    found = explain(net, method, IMAGES, feature_mask=mask, **words).values
    whole = explain(net, method, IMAGES, feature_mask=HALVES[None, :, :, None], **words).values
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    if method == "shapley_values":
        for k in range(2):
            np.testing.assert_allclose(found[k, [0, -1], 0, 0], shapley(net, IMAGES[k]), rtol=1e-4, atol=1e-6)


def test_a_mask_that_lies_otherwise_is_told(net: Any) -> None:
    for mask in (HALVES[None, None], HALVES.T, np.zeros((3, 12, 16))):
        with pytest.raises(
            InvalidArgumentError, match=r"feature_mask has shape .*\(2, 12, 16, 3\) \(NHWC\).*\(12, 16\)"
        ):
            explain(net, "feature_ablation", IMAGES, target=1, feature_mask=mask, toolset="captum")


def test_masks_by_word() -> None:
    assert feature_mask("channels", IMAGES, "NHWC").tolist() == [[[[0, 1, 2]]]]
    assert feature_mask("pixels", IMAGES, "NHWC").shape == (1, 12, 16, 1)
    assert np.unique(feature_mask("pixels", IMAGES, "NHWC")).size == 12 * 16
    grid = feature_mask(("grid", {"cells": 4}), IMAGES, "NHWC")
    assert (np.unique(grid).size, grid.shape) == (16, (1, 12, 16, 1))
    signal = feature_mask("grid", np.zeros((2, 3, 50)), "NCL")
    assert (signal.shape, np.unique(signal).size) == ((1, 1, 50), 7)
    for wrong, words in (
        ("tiles", "one of"),
        (("grid", {"cell": 3}), "options"),
        (("grid", {"cells": 0}), "at least 1"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            feature_mask(wrong, IMAGES, "NHWC")
    with pytest.raises(InvalidArgumentError, match="for images"):
        feature_mask("superpixels", np.zeros((2, 5)), "NF")


def test_superpixels_follow_the_image() -> None:
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("flower.jpg")[100:228, 200:328]
    found = superpixels(photograph, "quickshift", 50)
    assert found.shape == (128, 128)
    assert found.max() + 1 == np.unique(found).size >= 10
    for small in (photograph[:32, :32], photograph[:64, :64, :1], np.zeros((20, 30, 3))):
        assert np.unique(superpixels(small, "quickshift", 50)).size >= 10


def test_lime_of_images_has_superpixels(net: Any) -> None:
    words = {"target": 1, "toolset": "captum", "seed": 0, "n_samples": 40}
    auto = explain(net, "kernel_shap", IMAGES, **words).values
    np.testing.assert_array_equal(auto, explain(net, "kernel_shap", IMAGES, feature_mask="superpixels", **words).values)
    assert np.unique(auto[0]).size < 100


def test_lime_of_probabilities_that_is_all_zero_is_told(net: Any) -> None:
    model = keras.Sequential([net, L.Softmax()])
    with pytest.warns(UnfitWarning, match="all values of lime are zero.*before the softmax"):
        e = explain(model, "lime", IMAGES, target=1, feature_mask=HALVES, toolset="captum", seed=0, n_samples=100)
    assert any("zero" in text for text in e.warnings)


def test_baselines_by_word(net: Any) -> None:
    words = {"target": 1, "toolset": "captum", "n_steps": 20}
    data = np.random.default_rng(1).uniform(-1, 1, (7, 12, 16, 3)).astype("float32")
    made = {
        "black": np.full_like(IMAGES, -1),
        "white": np.full_like(IMAGES, 1),
        "mean": np.broadcast_to(data.mean(0), IMAGES.shape),
    }
    for word, array in made.items():
        found = explain(net, "integrated_gradients", IMAGES, baselines=word, value_range=(-1, 1), data=data, **words)
        expected = explain(net, "integrated_gradients", IMAGES, baselines=array, **words)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7, err_msg=word)
    for word in ("blur", "noise", "uniform"):
        runs = [
            explain(net, "integrated_gradients", IMAGES, baselines=word, value_range=(-1, 1), seed=3, **words).values
            for _ in range(2)
        ]
        np.testing.assert_array_equal(*runs)
    with pytest.raises(MissingArgumentError, match="value_range"):
        explain(net, "integrated_gradients", IMAGES, baselines="black", **words)
    with pytest.raises(MissingArgumentError, match="data="):
        explain(net, "integrated_gradients", IMAGES, baselines="mean", **words)
    with pytest.raises(InvalidArgumentError, match="one of black, white"):
        explain(net, "integrated_gradients", IMAGES, baselines="grey", **words)


def test_the_neutral_baseline_is_nearest_the_prior(net: Any) -> None:
    data = np.random.default_rng(1).uniform(-1, 1, (9, 12, 16, 3)).astype("float32")
    outputs = net(data).numpy()
    words = {"toolset": "captum", "n_steps": 20}
    found = explain(net, "integrated_gradients", IMAGES, target=[2, 0], baselines="neutral", data=data, **words).values
    nearest = [int(np.abs(outputs[:, c] - outputs[:, c].mean()).argmin()) for c in (2, 0)]
    expected = explain(net, "integrated_gradients", IMAGES, target=[2, 0], baselines=data[nearest], **words).values
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_black_and_white_by_the_numbers() -> None:
    rng = np.random.default_rng(0)

    def made(word: str, values: np.ndarray) -> np.ndarray:
        return baseline(word, values, "NHWC", ends=lambda: None, data=None, neutral=lambda _: [], generator=rng)

    assert made("white", np.full((1, 4, 4, 3), 0.5)).max() == 1
    assert made("white", np.full((1, 4, 4, 3), 90.0)).max() == 255
    flat = made("blur", np.ones((1, 30, 30, 3)))
    np.testing.assert_allclose(flat, 1)


def test_numbers_that_are_not_finite_are_told(net: Any) -> None:
    broken = IMAGES.copy()
    broken[0, 0, 0, 0] = np.nan
    for toolset in ("captum", "tf-keras-vis"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnfitWarning)
            e = explain(net, "saliency", broken, target=0, toolset=toolset)
        assert any("1 numbers that are not finite" in text for text in e.warnings)
        with pytest.raises(UnfitError, match="not finite"):
            explain(net, "saliency", broken, target=0, toolset=toolset, unfit="raise")
