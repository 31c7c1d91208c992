"""Blur and guided integrated gradients and XRAI: sums, closed forms, and the package saliency in an environment of its own.

``yardsticks/path_methods.py`` writes what it gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require
from scipy.ndimage import gaussian_filter

from .networks import SOURCES, inputs, source

torch = require("torch")
nn = torch.nn

from metannvis_methods.toolsets.metannvis.backprop.xrai import felzenszwalb_regions, ranked_regions  # noqa: E402


@pytest.fixture(scope="module")
def yardstick() -> Any:
    return np.load(Path(__file__).with_name("path_methods.npz"))


class Sum(nn.Module):
    """The sum of tanh(w_k x), channels first."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(np.moveaxis(weights, -1, 1).astype(float)))

    def forward(self, x: Any) -> Any:
        return torch.tanh(torch.einsum("nchw,kchw->nk", x, self.weights)).sum(1)


def first(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image, -1, 0)[None].astype(float)


def test_guided_integrated_gradients_are_those_of_the_reference(yardstick: Any) -> None:
    model = Sum(yardstick["weights"])
    words = {"n_steps": 50, "max_dist": 0.1, "baselines": first(yardstick["baseline"])}
    found = explain(model, "guided_integrated_gradients", first(yardstick["image"]), **words).values
    # the reference keeps its path in single precision where it was given such
    np.testing.assert_allclose(
        np.moveaxis(found[0], 0, -1), yardstick["guided"], atol=2e-6 * np.abs(yardstick["guided"]).max()
    )


def test_blur_integrated_gradients_come_to_those_of_the_reference(yardstick: Any) -> None:
    """It takes the derivative by sigma as a difference over 0.01, and the left end of each of 400 steps: first order."""
    found = explain(
        Sum(yardstick["weights"]), "blur_integrated_gradients", first(yardstick["image"]), n_steps=400, max_sigma=4
    )
    expected = yardstick["blur"]
    np.testing.assert_allclose(np.moveaxis(found.values[0], 0, -1), expected, atol=0.02 * np.abs(expected).max())


def test_regions_are_ranked_as_by_the_reference(yardstick: Any) -> None:
    across, down = np.arange(16)[None] // 8, np.arange(20)[:, None] // 4
    regions = [(across == i) & (down // 2 == j) for i in range(2) for j in range(3)]
    regions += [across + 0 * down == i for i in range(2)]
    found = ranked_regions(yardstick["attribution"], regions, 50)
    np.testing.assert_allclose(found, yardstick["xrai"], rtol=1e-12)


def test_segments_are_those_of_the_reference(yardstick: Any) -> None:
    """Counts and sums of coordinates of every segment."""
    soft = np.add.outer(np.sin(np.arange(224) / 17), np.cos(np.arange(224) / 23))[..., None] * np.array(
        [0.4, 0.2, -0.3]
    )
    image = soft + 0.05 * np.random.default_rng(5).standard_normal(soft.shape)
    low, high = image.min(), image.max()
    regions = felzenszwalb_regions((image - low) / (high - low) * 2 - 1)
    found = np.array([[region.sum(), *np.argwhere(region).sum(0)] for region in regions])
    assert len(found) > 10
    np.testing.assert_array_equal(found, yardstick["regions"])


def test_a_linear_function_is_attributed_to_exactly() -> None:
    weights = np.random.default_rng(0).standard_normal((1, 2, 9, 7))
    x = np.random.default_rng(1).standard_normal((2, 2, 9, 7))
    net = nn.Sequential(nn.Flatten(), nn.Linear(126, 1)).double().eval()
    with torch.no_grad():
        net[1].weight.copy_(torch.from_numpy(weights.reshape(1, -1)))
    blurred = gaussian_filter(x, (0, 0, 3.0, 3.0), mode="constant")
    found = explain(net, "blur_integrated_gradients", x, n_steps=5, max_sigma=3.0, batch_size=2).values
    np.testing.assert_allclose(found, weights * (x - blurred), rtol=1e-9, atol=1e-12)
    base = np.random.default_rng(2).standard_normal((1, 2, 9, 7))
    found = explain(net, "guided_integrated_gradients", x, n_steps=30, baselines=base).values
    np.testing.assert_allclose(found, weights * (x - base), rtol=1e-9, atol=1e-9)


def test_a_distance_of_zero_is_the_straight_path() -> None:
    model, x = source("image", "torch")
    words = {"target": 1, "n_steps": 40}
    found = explain(model, "guided_integrated_gradients", x, max_dist=0.0, **words).values
    left = explain(
        model, "integrated_gradients", x, toolset="captum", options={"method": "riemann_left"}, **words
    ).values
    np.testing.assert_allclose(found, left, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "steps"), [("blur_integrated_gradients", 200), ("guided_integrated_gradients", 400)]
)
def test_attributions_add_up(method: str, steps: int) -> None:
    model, x = source("image", "torch")
    for target in (0, 2):
        found = explain(model, method, x, target=target, n_steps=steps).values
        start = (
            0 * x if "guided" in method else gaussian_filter(x, (0, 0, 16 * 50 / 224, 16 * 50 / 224), mode="constant")
        )
        with torch.no_grad():
            difference = (model(torch.from_numpy(x)) - model(torch.from_numpy(start)))[:, target].numpy()
        missed = np.abs(found.sum((1, 2, 3)) - difference)
        assert (missed < 0.01 * np.abs(found).sum((1, 2, 3))).all()


def test_regions_of_a_mask_are_ranked_by_integrated_gradients() -> None:
    model, x = source("image", "torch")
    groups = np.arange(16)[:, None] // 4 * 2 + np.arange(12)[None] // 6
    found = explain(model, "xrai", x, target=1, feature_mask=groups, n_steps=60)
    assert found.axes == "NHW"
    parts = []
    for end in (x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True)):
        base = np.broadcast_to(end, x.shape).copy()
        words = {"target": 1, "baselines": base, "toolset": "captum", "options": {"method": "riemann_middle"}}
        parts.append(explain(model, "integrated_gradients", x, n_steps=60, **words).values)
    attributions = np.mean(parts, 0).max(1)
    for k in range(2):
        for group in range(8):
            at = groups == group
            np.testing.assert_allclose(found.values[k][at], attributions[k][at].mean(), rtol=1e-6, atol=1e-10)


def test_regions_of_an_image_are_segments() -> None:
    model, x = source("image", "torch")[0], np.zeros((1, 3, 56, 48))
    x[:, :, :28] += 2
    x[:, 1, 28:, 20:] -= 1
    found = explain(model, "xrai", x, target=1, n_steps=8, batch_size=4)
    np.testing.assert_allclose(found.values, explain(model, "xrai", x, target=1, n_steps=8).values, rtol=1e-9)
    assert 1 < len(np.unique(found.values[0])) < 20
    signal, s = source("signal", "torch")
    with pytest.raises(InvalidArgumentError, match="makes segments of images"):
        explain(signal, "xrai", s, target=1, n_steps=2)


@pytest.mark.parametrize("kind", ["table", "signal", "image", "volume"])
@pytest.mark.parametrize("method", ["blur_integrated_gradients", "guided_integrated_gradients", "xrai"])
def test_twins_of_every_framework_have_the_same_attributions(method: str, kind: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source(kind, framework)
        words: dict[str, Any] = {"target": [1, 0], "n_steps": 6}
        if method == "blur_integrated_gradients" and kind == "table":
            with pytest.raises(InvalidArgumentError, match="has none"):
                explain(model, method, x, **words)
            continue
        if method == "xrai":
            spaces = x.shape[1:] if kind == "table" else inputs(kind).shape[2:]
            words["feature_mask"] = (np.arange(np.prod(spaces)) % 5).reshape(
                spaces if kind != "table" else (1, *spaces)
            )
        values = explain(model, method, x, **words).values
        last = framework == "tensorflow" and method != "xrai" and kind != "table"
        maps.append(np.moveaxis(values, -1, 1) if last else values)
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-5, atol=1e-9)
