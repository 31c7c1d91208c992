"""Randomization: similarities of maps, and copies of models with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import evaluate
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.randomization.similarity import SIMILARITIES, similarity
from metannvis_methods.metrics.randomization.weights import randomized, weighted_layers
from metannvis_translate.frameworks import require
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from ..toolsets.metannvis.networks import SOURCES, source

torch = require("torch")


def maps(seed: int = 0, sizes: tuple[int, ...] = (20, 16)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((2, *sizes))


@pytest.mark.parametrize("name", SIMILARITIES)
def test_similarities(name: str) -> None:
    a, b = maps(), maps(1)
    np.testing.assert_allclose(similarity(name, a, a), 1)
    if name.startswith("spearman"):
        first, second = (np.abs(a), np.abs(b)) if name.endswith("absolute") else (a, b)
        expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(first, second, strict=True)]
        np.testing.assert_allclose(similarity(name, a, b), expected)
        assert similarity(name, a, -a)[0] == pytest.approx(1 if name.endswith("absolute") else -1)
    elif name == "ssim":
        scaled = [(x - x.min()) / (x.max() - x.min()) for x in (a[0], b[0])]
        expected = structural_similarity(
            *scaled, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert similarity(name, a, b)[0] == pytest.approx(expected)
        assert similarity(name, 5 * a + 3, a)[0] == pytest.approx(1)  # maps are scaled
    else:
        assert similarity(name, a, b).max() < 0.5


@pytest.mark.parametrize("name", ["ssim", "hog"])
def test_similarities_of_small_maps_and_volumes(name: str) -> None:
    for sizes in ((7, 8), (6, 9, 7)):
        assert (similarity(name, maps(0, sizes), maps(1, sizes)) < 0.9).all()
        np.testing.assert_allclose(similarity(name, maps(0, sizes), maps(0, sizes)), 1)
    with pytest.raises(InvalidArgumentError, match="of images"):
        similarity(name, maps(0, (9,)), maps(1, (9,)))


@pytest.mark.parametrize("sizes", [(7, 8), (6, 9, 7), (11, 30), (12, 12, 13)])
def test_structural_similarity_of_any_window_is_that_of_scikit_image(sizes: tuple[int, ...]) -> None:
    a, b = maps(0, sizes), maps(1, sizes)
    radius = min(5, (min(sizes) - 1) // 2)
    words = {"data_range": 1.0, "gaussian_weights": True, "use_sample_covariance": False}
    for k, found in enumerate(similarity("ssim", a, b)):
        one, other = ((x[k] - x[k].min()) / (x[k].max() - x[k].min()) for x in (a, b))
        sigma = 1.5 if radius == 5 else radius / 3.5
        assert found == pytest.approx(structural_similarity(one, other, sigma=sigma, **words), abs=1e-12)


def test_constant_maps() -> None:
    flat, other = np.zeros((1, 9, 9)), maps(0, (9, 9))[:1]
    assert similarity("spearman", flat, other) == [0]
    assert similarity("spearman", flat, flat) == [1]
    with pytest.raises(InvalidArgumentError, match="are not compared"):
        similarity("spearman", flat, other[:, :5])


def weights(model: Any) -> list[np.ndarray]:
    found = model.weights if hasattr(model, "weights") else [*model.parameters(), *model.buffers()]
    return [np.array(w.detach().numpy() if hasattr(w, "detach") else w.numpy()) for w in found]


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("scheme", ["cascading", "independent"])
def test_weights_are_drawn_from_the_output_down(framework: str, scheme: str) -> None:
    model, x = source("image", framework)
    before = weights(model)
    layers = weighted_layers(model, x)
    assert len(layers) == 2
    changed = []
    for _, copy in randomized(model, x, scheme=scheme):
        assert copy is not model
        changed.append([not np.array_equal(a, b) for a, b in zip(before, weights(copy), strict=True)])
    expected = [[False, False, True, True], [True] * 4 if scheme == "cascading" else [True, True, False, False]]
    assert changed == expected
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))
    again = [name for name, _ in randomized(model, x, scheme=scheme)]
    assert again == layers[::-1]
    (last,) = (weights(copy) for _, copy in randomized(model, x, layers=[layers[-1]]))
    for old, new in zip(before[2:], last[2:], strict=True):  # a like spread around a like mean
        assert abs(new.std() / old.std() - 1) < 1


def test_draws_repeat_and_statistics_stay() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    model[1].running_mean += 2
    x = np.zeros((2, 1, 6, 6), np.float32)
    first, second, other = (
        [weights(m) for _, m in randomized(model, x, scheme="independent", seed=seed)] for seed in (0, 0, 1)
    )
    assert all(
        np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert not np.array_equal(first[1][0], other[1][0])
    np.testing.assert_array_equal(first[0][4], model[1].running_mean.numpy())
    np.testing.assert_array_equal(first[0][2], 1)  # a scale of ones has no spread


def test_nested_keras_layers() -> None:
    keras = require("keras")
    inner = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, name="deep")], name="inner")
    model = keras.Sequential([keras.Input((5,)), inner, keras.layers.Dense(2, name="last")])
    x = np.ones((1, 5), np.float32)
    names = weighted_layers(model, x)
    assert names == ["inner/deep", "last"]
    before = weights(model)
    *_, (name, copy) = randomized(model, x)
    assert name == "inner/deep"
    assert not any(np.array_equal(a, b) for a, b in zip(before[::2], weights(copy)[::2], strict=True))


def test_what_cannot_be_drawn() -> None:
    network, x = source("image", "torch")
    program = torch.export.export(network, (torch.from_numpy(x),))
    with pytest.raises(InvalidArgumentError, match="translate this one first"):
        next(randomized(program, x))
    with pytest.raises(InvalidArgumentError, match="scheme is one of"):
        next(randomized(network, x, scheme="all"))
    with pytest.raises(InvalidArgumentError, match="no layer with weights is called '7'"):
        next(randomized(network, x, layers=["7"]))
    with pytest.raises(InvalidArgumentError, match="no layers with weights"):
        weighted_layers(torch.nn.Sequential(torch.nn.ReLU()), x)


@pytest.mark.parametrize("framework", SOURCES)
def test_the_metrics(framework: str) -> None:
    model, x = source("image", framework)
    other = list(randomized(model, x))[-1][1]
    method = {"method": "saliency", "toolset": "captum", "abs": False}
    metrics = {
        "cascading_randomization": {},
        "independent_randomization": {"measure": "spearman_absolute"},
        "label_randomization": {"model": other},
        "same": {"metric": "label_randomization", "model": model, "measure": "ssim"},
    }
    found = evaluate(model, {"map": method}, x, metrics=metrics, target=1)
    assert not found.errors
    assert found.metrics == (*list(metrics)[:3], "same")
    curve = found.curves["map", "cascading_randomization"]
    assert curve.shape == (2, 2)
    np.testing.assert_array_equal(curve[:, -1], found.of("map", "cascading_randomization"))
    names = found.steps["map", "cascading_randomization"]
    assert list(names) == weighted_layers(model, x)[::-1]
    independent = found.curves["map", "independent_randomization"]
    np.testing.assert_allclose(independent.mean(1), found.of("map", "independent_randomization"))
    assert (found.of("map", "label_randomization") < 0.999).all()
    np.testing.assert_allclose(found.of("map", "same"), 1)
