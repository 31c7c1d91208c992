"""RISE against the exact expectation over every mask and every shift, and on every kind of input."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, SmoothGrad, UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

from .networks import SHAPES, SOURCES, inputs, last, randomized, source, torch_network

torch = require("torch")
nn = torch.nn
#: Places of an image whose grid of 3 x 3 has cells of 3 x 3 and 3 x 2 places: 9 shifts and 6 shifts.
SIZES = (9, 6)


def all_masks() -> np.ndarray:
    """Every grid of 3 x 3 zeros and ones, enlarged by PyTorch, at every shift: shape (512 * 6, 9, 6)."""
    grids = np.array(list(itertools.product((0.0, 1.0), repeat=9))).reshape(512, 1, 3, 3)
    large = nn.functional.interpolate(torch.from_numpy(grids), size=(12, 8), mode="bilinear", align_corners=False)
    large = large[:, 0].numpy()
    return np.concatenate([large[:, i : i + 9, j : j + 6] for i in range(3) for j in range(2)])


def network() -> Any:
    body = [nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 54, 3), nn.Softmax(1)]
    return randomized(nn.Sequential(*body), seed=4)


X = np.random.default_rng(2).uniform(0, 1, (2, 2, *SIZES))


def scores(model: Any, masks: np.ndarray, sample: int, target: int = 1) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(masks[:, None] * X[sample]))[:, target].numpy()


def test_the_sampler_is_within_three_standard_errors_of_the_expectation() -> None:
    model, masks, count = network(), all_masks(), 6000
    found = explain(model, "rise", X, target=1, n_masks=count, cells=3, seed=0)
    assert (found.axes, found.values.shape) == ("NHW", (2, *SIZES))
    for sample in range(2):
        products = scores(model, masks, sample)[:, None, None] * masks / 0.5
        expectation, error = products.mean(0), products.std(0) / np.sqrt(count)
        deviation = np.abs(found.values[sample] - expectation) / error
        assert deviation.max() < 3
        assert error.max() < 0.02 * expectation.max()  # so that this says something


def test_the_probability_whose_scores_are_furthest_apart() -> None:
    """A network that heeds the number of cells alone: the eighth power of their share is apart for many."""

    class Share(nn.Module):
        def forward(self, x: Any) -> Any:
            share = x.mean((1, 2, 3))
            return torch.stack([share**8, (1 - share) ** 8], 1)

    ones = np.ones((1, 1, 18, 18), np.float32)
    words = {"n_masks": 50, "cells": 3, "seed": 5, "toolset": "metannvis", "unfit": "ignore"}
    for target, expected in ((0, 0.8), (1, 0.2)):
        found = explain(Share(), "rise", ones, target=target, p="auto", **words)
        near = {k / 10: explain(Share(), "rise", ones, target=target, p=k / 10, **words).values for k in range(1, 10)}
        (chosen,) = [p for p, values in near.items() if np.array_equal(values, found.values)]
        assert abs(chosen - expected) < 0.15
    with pytest.raises(InvalidArgumentError, match="say with which p"):
        explain(Share(), "rise", ones, target=0, p="auto", masks=np.ones((3, 18, 18)), **words)
    with pytest.raises(InvalidArgumentError, match="or 'auto'"):
        explain(Share(), "rise", ones, target=0, p="best", **words)


def test_a_different_probability_has_a_different_expectation() -> None:
    model, masks, count = network(), all_masks(), 6000
    ones = np.tile(np.array(list(itertools.product((0, 1), repeat=9))).sum(1), 6)
    weights = 0.2**ones * 0.8 ** (9 - ones) / 6
    found = explain(model, "rise", X, target=1, n_masks=count, cells=3, p=0.2, seed=1)
    products = scores(model, masks, 0)[:, None, None] * masks / 0.2
    expectation = (weights[:, None, None] * products).sum(0)
    error = np.sqrt((weights[:, None, None] * products**2).sum(0) - expectation**2) / np.sqrt(count)
    assert (np.abs(found.values[0] - expectation) / error).max() < 3


def test_masks_that_are_given_are_taken() -> None:
    model, masks = network(), all_masks()
    found = explain(model, "rise", X, target=[1, 2], masks=masks, batch_size=100)
    for sample, target in enumerate((1, 2)):
        expectation = (scores(model, masks, sample, target)[:, None, None] * masks).mean(0) / 0.5
        np.testing.assert_allclose(found.values[sample], expectation, rtol=1e-9)
    with pytest.raises(InvalidArgumentError, match=r"masks have shape \(3072, 8, 6\).* ask for \(n, 9, 6\)"):
        explain(model, "rise", X, target=1, masks=masks[:, :8])
    with pytest.raises(InvalidArgumentError, match="give one of them"):
        explain(model, "rise", X, target=1, masks=masks, feature_mask="grid")


def test_it_is_relative_to_a_baseline() -> None:
    model, masks = network(), all_masks()
    base = np.random.default_rng(5).uniform(0, 1, (1, 2, *SIZES))
    found = explain(model, "rise", X[:1], target=1, masks=masks, baselines=base)
    mixed = masks[:, None] * X[0] + (1 - masks[:, None]) * base[0]
    with torch.no_grad():
        outputs = model(torch.from_numpy(mixed))[:, 1].numpy()
    np.testing.assert_allclose(found.values[0], (outputs[:, None, None] * masks).mean(0) / 0.5, rtol=1e-9)


@pytest.mark.parametrize("kind", SHAPES)
def test_twins_of_every_framework_have_the_same_maps(kind: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source(kind, framework)
        found = explain(model, "rise", x, target=1, n_masks=50, cells=4, seed=3, batch_size=16)
        assert (found.framework, found.translation) == (framework, None)
        assert found.values.shape == (2, *(SHAPES[kind][1:] or SHAPES[kind]))
        maps.append(found.values)
    assert np.abs(maps[0]).max() > 0
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-5)


@pytest.mark.parametrize("framework", SOURCES)
def test_a_feature_mask_says_what_is_kept_together(framework: str) -> None:
    """Exactly: over all subsets of two groups the expectation is known, and the draws of a seed are those of a table."""
    model, x = source("image", framework)
    groups = np.arange(16)[:, None] // 8 + np.zeros((1, 12), int)
    found = explain(model, "rise", x, target=1, n_masks=200, feature_mask=groups, seed=3)
    assert found.values.shape == x.shape
    kept = (np.random.default_rng(3).random((200, 2)) < 0.5).astype(float)
    native, first = torch_network("image"), inputs("image")
    with torch.no_grad():
        masked = torch.from_numpy(kept[:, groups][:, None] * first[0])
        outputs = native(masked)[:, 1].numpy()
    expected = (outputs[:, None] * kept).mean(0) / 0.5
    values = found.values[0] if framework != "tensorflow" else np.moveaxis(found.values[0], -1, 0)
    np.testing.assert_allclose(values, np.broadcast_to(expected[groups], (3, 16, 12)), rtol=1e-6)


def test_indices_are_kept_or_not() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.fc = nn.Embedding(20, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return torch.softmax(self.fc(torch.tanh(self.embedding(x)).mean(1)), 1)

    torch.manual_seed(0)
    x = np.array([[3, 7, 1, 9, 12, 4]])
    found = explain(Words().eval(), "rise", x, target=0, n_masks=30, seed=0, baselines=5)
    assert found.values.shape == (1, 6)
    assert len(np.unique(found.values)) == 6


def test_several_inputs_are_masked_together() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(3 + 5, 2)

        def forward(self, image: Any, table: Any) -> Any:
            return self.fc(torch.cat([torch.relu(self.conv(image)).mean((2, 3)), table], 1))

    model = randomized(Both())
    image, table = np.random.default_rng(0).uniform(0, 1, (2, 1, 12, 12)), np.ones((2, 5))
    found = explain(model, "rise", (image, table), target=0, n_masks=40, seed=0)
    assert [v.shape for v in found.values] == [(2, 12, 12), (2, 5)]
    masks = (np.random.default_rng(1).random((8, 12, 12)), np.random.default_rng(2).random((8, 5)))
    found = explain(model, "rise", (image, table), target=0, masks=masks)
    with torch.no_grad():
        given = torch.from_numpy(masks[0][:, None] * image[1]), torch.from_numpy(masks[1] * table[1])
        outputs = model(*given)[:, 0].numpy()
    np.testing.assert_allclose(found.values[1][1], (outputs[:, None] * masks[1]).mean(0) / 0.5, rtol=1e-9)
    np.testing.assert_allclose(found.values[0][1], (outputs[:, None, None] * masks[0]).mean(0) / 0.5, rtol=1e-9)


@pytest.mark.parametrize("framework", SOURCES)
def test_every_word_that_applies(framework: str) -> None:
    model, x = source("image", framework)
    words = {"n_masks": 30, "cells": 4, "seed": 7}
    plain = explain(model, "rise", x, target=[1, 2], **words)
    for bound in (1, 3, 64):
        np.testing.assert_allclose(explain(model, "rise", x, target=[1, 2], batch_size=bound, **words).values, plain.values, rtol=1e-6)  # fmt: skip
    one = explain(model, "rise", x[1:], target=2, **words).values
    np.testing.assert_allclose(one[0], plain.values[1], rtol=1e-6)
    by_function = explain(model, "rise", x, target=lambda output: 2 * output[:, 1], **words).values
    np.testing.assert_allclose(by_function[0], 2 * plain.values[0], rtol=1e-6)
    found = explain(model, "rise", x, **words)
    assert found.target == [p["class"] for p in found.prediction]
    noisy = explain(model, "rise", x, target=1, noise=SmoothGrad(2, 0.1), **words)
    assert noisy.values.shape == plain.values.shape
    told: list[tuple[int, int]] = []
    explain(
        model, "rise", x, target=1, batch_size=8, progress=lambda done, total, _: told.append((done, total)), **words
    )
    assert told[0] == (0, 60) and told[-1] == (60, 60) and len(told) > 5
    again = plain.rerun(model)
    np.testing.assert_array_equal(again.values, plain.values)
    with pytest.raises(InvalidArgumentError, match="p of rise is a number between 0 and 1"):
        explain("none.onnx", "rise", x, p=1.5)


def test_one_of_several_outputs_is_explained_in_any_framework() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch_network("image")

        def forward(self, x: Any) -> Any:
            found = self.body(x)
            return found, 3 * found

    model, x = Two().eval(), inputs("image")
    words = {"target": 1, "n_masks": 20, "seed": 0}
    plain = explain(model.body, "rise", x, **words).values
    keras = translate(model, "tensorflow", example_inputs=x, dtype="float64").model
    onnx = translate(model, "onnx", example_inputs=x, dtype="float64").model
    for source_, given in ((model, x), (keras, last(x)), (onnx, x)):
        found = explain(source_, "rise", given, output=1, **words)
        assert found.translation is None
        np.testing.assert_allclose(found.values, 3 * plain, rtol=1e-5)


class Slow(nn.Module):
    def forward(self, x: Any) -> Any:
        time.sleep(0.05)
        return x.mean((1, 2, 3))


def test_it_ends_with_the_masks_there_are() -> None:
    x = inputs("image")
    with pytest.warns(UnfitWarning, match=r"the time was over after \d+ of 4000 masks"):
        found = explain(Slow(), "rise", x, deadline=1, seed=0)
    assert found.values.min() > 0
    with pytest.raises(DeadlineError, match="rise was not done in time"):
        explain(Slow(), "rise", x, deadline=1e-6, seed=0)


def test_a_model_of_one_batch_size_is_given_no_other() -> None:
    model, x = torch_network("image"), inputs("image")
    graph = translate(model, "onnx", example_inputs=x, dtype="float64").model
    free = explain(graph, "rise", x, target=1, n_masks=11, seed=0).values
    for port in (*graph.graph.input, *graph.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 2
    fixed = explain(graph, "rise", x, target=1, n_masks=11, seed=0, batch_size=3)
    np.testing.assert_allclose(fixed.values, free, rtol=1e-9)
