"""Ground truth: the closed forms against references that know nothing of them, and every method against the closed forms."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import list_methods
from metannvis_methods.experiments.ground_truth.experiment import wide
from metannvis_methods.experiments.ground_truth.measure import EXACT, error_of, values_of
from metannvis_methods.experiments.ground_truth.methods import ROWS, WITHOUT, Row
from metannvis_methods.experiments.ground_truth.models import MODELS, TARGET, GroundTruth
from metannvis_methods.experiments.results import shown

PAGE = (Path(__file__).parents[2] / "docs" / "experiments" / "ground-truth.md").read_text(encoding="utf-8")
TRUTHS = {name: make(0) for name, make in MODELS.items()}


def scores(model: GroundTruth, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model.model(torch.from_numpy(np.ascontiguousarray(x)))[:, TARGET].numpy()


def gradient(model: GroundTruth, x: np.ndarray) -> np.ndarray:
    point = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
    model.model(point)[:, TARGET].sum().backward()
    assert point.grad is not None
    return point.grad.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_autograd(name: str) -> None:
    model = TRUTHS[name]
    np.testing.assert_allclose(model.quantities["gradient"], gradient(model, model.inputs), atol=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_integrated_gradients_are_the_integral(name: str) -> None:
    """The midpoint rule with 2,000 points; at none of them is a ReLU at its kink."""
    model = TRUTHS[name]
    x, x0 = model.inputs, np.broadcast_to(model.baselines, model.inputs.shape)
    steps = (np.arange(2000) + 0.5) / 2000
    mean = sum(gradient(model, x0 + t * (x - x0)) for t in steps) / len(steps)
    np.testing.assert_allclose(model.quantities["integrated gradients"], (x - x0) * mean, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_shapley_values_are_means_over_all_coalitions(name: str) -> None:
    model = TRUTHS[name]
    x, x0 = model.inputs, np.broadcast_to(model.baselines, model.inputs.shape)
    features = np.arange(x[0].size).reshape(1, *x.shape[1:])
    mask = np.broadcast_to(features if model.mask is None else model.mask, x.shape)
    count = int(mask.max()) + 1
    value = {
        players: scores(model, np.where(np.isin(mask, players), x, x0))
        for size in range(count + 1)
        for players in itertools.combinations(range(count), size)
    }
    expected = np.zeros((len(x), count))
    for players, worth in value.items():
        for k in set(range(count)) - set(players):
            weight = math.factorial(len(players)) * math.factorial(count - len(players) - 1) / math.factorial(count)
            expected[:, k] += weight * (value[tuple(sorted((*players, k)))] - worth)
    found = np.stack([np.take_along_axis(expected[n], mask[n].ravel(), 0).reshape(x.shape[1:]) for n in range(len(x))])
    np.testing.assert_allclose(model.quantities["shapley"], found, atol=1e-12)


@pytest.mark.parametrize("name", ["linear", "additive", "gated"])
def test_ablation_takes_one_feature_away(name: str) -> None:
    model = TRUTHS[name]
    for k in range(model.inputs.shape[1]):
        without = model.inputs.copy()
        without[:, k] = model.baselines[:, k]
        expected = scores(model, model.inputs) - scores(model, without)
        np.testing.assert_allclose(model.quantities["ablation"][:, k], expected, atol=1e-14)


def test_permutation_is_the_mean_over_all_but_none() -> None:
    model = TRUTHS["gated"]
    x = model.inputs
    orders = [list(order) for order in itertools.permutations(range(len(x))) if order != tuple(range(len(x)))]
    for k in range(x.shape[1]):
        changes = []
        for order in orders:
            shuffled = x.copy()
            shuffled[:, k] = x[order, k]
            changes.append(scores(model, x) - scores(model, shuffled))
        np.testing.assert_allclose(model.quantities["permutation"][:, k], np.mean(changes, 0), atol=1e-14)


def test_integrated_gradients_and_shapley_values_differ_behind_gates() -> None:
    """So that a method that computes one cannot pass for the other."""
    known = TRUTHS["gated"].quantities
    apart = np.abs(known["integrated gradients"] - known["shapley"]).max() / np.abs(known["shapley"]).max()
    assert apart > 0.05


def test_every_method_has_a_truth_or_a_reason() -> None:
    there = {(spec.toolset, spec.key) for spec in list_methods() if spec.kind in ("primary", "layer")}
    rows = [(row.toolset, row.key) for row in ROWS]
    assert len(set(rows)) == len(rows)
    assert not set(rows) & set(WITHOUT)
    assert set(rows) | set(WITHOUT) == there


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.toolset}-{row.key}")
def test_every_method_is_near_the_truth_as_the_page_says(row: Row) -> None:
    """Exact methods to 1e-6 in double precision, estimators within three standard errors; the page in the docs has the same."""
    models = [model for name, model in TRUTHS.items() if row.quantity(name) in model.quantities]
    found = [error_of(row, model, 0) for model in models]
    assert found and all(error.holds for error in found), found
    (made,) = wide(found)
    (line,) = [
        line for line in PAGE.splitlines() if line.startswith(f"| {row.key} | {row.toolset} | {shown(made[2])} |")
    ]
    for cell, told in zip(map(shown, made[3:]), line.split(" | ")[-len(MODELS) :], strict=True):
        told = told.removesuffix(" |")
        if cell.endswith("s.e."):  # of random numbers, whose last digits are those of the machine
            assert abs(float(cell.split()[0]) - float(told.split()[0])) < 0.25
        else:
            assert cell == told


def test_the_page_has_no_other_rows() -> None:
    told = [line for line in PAGE.partition("## Errors")[2].partition("\n## ")[0].splitlines() if line.startswith("| ")]
    assert len(told) - 2 == len(ROWS)


def test_another_quantity_does_not_hold() -> None:
    """What is measured tells a wrong method from a right one, exact or estimated."""
    exact = Row("captum", "integrated_gradients", "shapley")
    estimate = Row("captum", "shapley_value_sampling", "integrated gradients", {"n_samples": 10})
    for row in (exact, estimate):
        error = error_of(row, TRUTHS["gated"], 0)
        assert not error.holds
        assert (error.standard_errors is None) == (row is exact)


@pytest.mark.parametrize("n_steps", [50, 100])
def test_guided_integrated_gradients_come_near(n_steps: int) -> None:
    """On the planted patch the first of the steps is taken at the baseline, where the ReLU is shut: one of them is lost."""
    model = TRUTHS["planted patch"]
    row = Row("metannvis", "guided_integrated_gradients", "integrated gradients", {"n_steps": n_steps})
    found: Any = values_of(row, model, 0)
    truth = model.quantities["integrated gradients"]
    error = np.abs(found - truth).max() / np.abs(truth).max()
    assert EXACT < error <= 1.05 / n_steps
