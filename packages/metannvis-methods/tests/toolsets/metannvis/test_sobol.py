"""Sobol indices against those of functions whose indices are known, and on every kind of input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.toolsets.metannvis.perturbation.masking import product
from metannvis_translate.frameworks.requirements import require

from .networks import SHAPES, SOURCES, inputs, source

torch = require("torch")
#: Of Sobol's g-function, the product of (|4 x - 2| + a) / (1 + a).
A = np.array([0.0, 1.0, 4.5, 9.0])


class G(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        a = torch.from_numpy(A)
        return ((torch.abs(4 * x - 2) + a) / (1 + a)).prod(1, keepdim=True)


def total_indices() -> np.ndarray:
    """Of the g-function (Saltelli and Sobol, 1995): V_i = 1 / (3 (1 + a_i)^2), V = prod(1 + V_i) - 1."""
    partial = 1 / (3 * (1 + A) ** 2)
    variance = np.prod(1 + partial) - 1
    return partial * np.prod(1 + partial) / (1 + partial) / variance


@pytest.mark.parametrize("sampler", ["latin_hypercube", "random"])
def test_indices_of_an_analytic_function(sampler: str) -> None:
    estimates = [
        explain(G(), "sobol", np.ones((1, 4)), n_designs=2048, sampler=sampler, seed=seed, batch_size=2048).values[0]
        for seed in range(40)
    ]
    mean, error = np.mean(estimates, 0), np.std(estimates, 0, ddof=1) / np.sqrt(40)
    assert (np.abs(mean - total_indices()) < 3 * error + 1e-4).all()
    assert (error < 0.02).all()


def test_passes_are_full_whatever_the_number_of_designs() -> None:
    """Two designs of five cells and themselves: twelve rows, in passes of five."""
    sizes: list[int] = []

    class Counting(torch.nn.Linear):
        def forward(self, x: Any) -> Any:
            sizes.append(len(x))
            return super().forward(x) ** 2

    net = Counting(5, 1).double()
    words = {"n_designs": 2, "sampler": "random", "seed": 1}
    found = explain(net, "sobol", np.arange(1.0, 6.0)[None], batch_size=5, **words).values
    assert sorted(sizes[-3:]) == [2, 5, 5], sizes
    at_once = explain(net, "sobol", np.arange(1.0, 6.0)[None], batch_size=100, **words).values
    np.testing.assert_allclose(found, at_once, rtol=1e-9)
    assert np.abs(found).max() > 0


@pytest.mark.parametrize("shape", [(4, 1, 3, 5, 1), (4, 1, 3, 5, 2), (4, 1, 3, 1, 2), (4, 1, 1, 1, 1)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_masked_channels_are_products(shape: tuple[int, ...], channels: int) -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((*shape[:-1], channels if shape[-1] == 2 else 1)).astype("float32")
    values = rng.random((2, 3, 5, channels)).astype("float32")
    found = product(masks, values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, masks * values)


def test_indices_of_a_linear_function_add_up_to_one() -> None:
    weights = np.array([3.0, -2.0, 1.0, 0.0])
    net = torch.nn.Linear(4, 1).double().eval()
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(weights))
    found = explain(net, "sobol", np.ones((1, 4)), n_designs=8192, seed=0, batch_size=8192).values[0]
    np.testing.assert_allclose(found, weights**2 / (weights**2).sum(), atol=0.02)
    assert found[3] == 0


@pytest.mark.parametrize("kind", SHAPES)
def test_twins_of_every_framework_have_the_same_maps(kind: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source(kind, framework)
        found = explain(model, "sobol", x, target=[1, 0], n_designs=6, cells=3, seed=3, batch_size=16)
        assert (found.framework, found.translation) == (framework, None)
        assert found.values.shape == (2, *(SHAPES[kind][1:] or SHAPES[kind]))
        maps.append(found.values)
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-5)


def test_a_cell_has_one_value_and_a_group_its_own() -> None:
    model, x = source("image", "torch")
    found = explain(model, "sobol", x, target=1, n_designs=8, cells=4, seed=0).values[0]
    blocks = found.reshape(4, 4, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(found)) == 16
    groups = np.arange(16)[:, None] // 4 * 4 + np.arange(12)[None] // 3
    by_mask = explain(model, "sobol", x, target=1, n_designs=8, feature_mask=groups, seed=0).values[0]
    np.testing.assert_allclose(by_mask, np.broadcast_to(found, by_mask.shape), rtol=1e-9)


def test_what_it_refuses_and_when_it_ends() -> None:
    model, x = source("image", "torch")
    with pytest.raises(InvalidArgumentError, match="sampler of sobol is one of latin_hypercube, random"):
        explain("none.onnx", "sobol", x, sampler="halton")
    with pytest.raises(DeadlineError):
        explain(model, "sobol", x, target=1, deadline=1e-6)
    words = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Flatten(), torch.nn.Linear(9, 2)).eval()
    with pytest.raises(InvalidArgumentError, match="an input holds whole numbers"):
        explain(words, "sobol", np.array([[1, 2, 3]]), target=0)
    told: list[tuple[int, int]] = []
    explain(model, "sobol", inputs("image"), target=1, n_designs=4, cells=2, seed=0, progress=lambda d, t, _: told.append((d, t)))  # fmt: skip
    assert told[0] == (0, 40) and told[-1] == (40, 40)
