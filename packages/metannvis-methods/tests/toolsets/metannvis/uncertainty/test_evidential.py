"""Evidential heads against their formulas, in both frameworks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import EvidenceTarget, Explanation, evidential_loss, explain, predict_evidential
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require
from scipy.special import digamma, gammaln

torch = require("torch")
tf = require("tensorflow")
keras = require("keras")
RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0.4, 2, (5, 4))
CLASSES = np.array([0, 3, 1, 2, 2])
EVIDENCE = {"relu": lambda x: np.maximum(x, 0), "softplus": lambda x: np.log1p(np.exp(x)), "exp": np.exp}


def formula(outputs: np.ndarray, classes: np.ndarray, weight: float, evidence: str) -> float:
    """The loss as the paper has it, one sample after the other."""
    found = []
    for row, y in zip(EVIDENCE[evidence](outputs) + 1, np.eye(outputs.shape[1])[classes], strict=True):
        total = row.sum()
        error = sum(
            (y[k] - row[k] / total) ** 2 + row[k] * (total - row[k]) / (total**2 * (total + 1)) for k in range(len(y))
        )
        wrong = y + (1 - y) * row
        divergence = gammaln(wrong.sum()) - gammaln(len(y)) - gammaln(wrong).sum()
        divergence += ((wrong - 1) * (digamma(wrong) - digamma(wrong.sum()))).sum()
        found.append(error + weight * divergence)
    return float(np.mean(found))


def loss_and_gradient(
    framework: str, outputs: np.ndarray, targets: Any, step: float, evidence: str
) -> tuple[float, Any]:
    if framework == "torch":
        x = torch.from_numpy(outputs.copy()).requires_grad_()
        loss = evidential_loss(x, torch.from_numpy(targets), step, evidence=evidence)
        loss.backward()
        return float(loss.detach()), x.grad.numpy()
    x = tf.constant(outputs)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = evidential_loss(x, tf.constant(targets), tf.constant(step), evidence=evidence)
    return float(loss), tape.gradient(loss, x).numpy()


@pytest.mark.parametrize(
    ("framework", "evidence", "step"), list(itertools.product(["torch", "tensorflow"], EVIDENCE, [0.0, 4.0, 30.0]))
)
def test_the_loss_is_the_formula_and_its_gradient_is_that_of_differences(
    framework: str, evidence: str, step: float
) -> None:
    weight = min(1.0, step / 10)
    loss, gradient = loss_and_gradient(framework, OUTPUTS, CLASSES, step, evidence)
    assert loss == pytest.approx(formula(OUTPUTS, CLASSES, weight, evidence), abs=1e-12)
    moved = np.zeros_like(OUTPUTS)
    for place in np.ndindex(OUTPUTS.shape):
        ends = []
        for sign in (1, -1):
            x = OUTPUTS.copy()
            x[place] += sign * 1e-5
            ends.append(formula(x, CLASSES, weight, evidence))
        moved[place] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(gradient, moved, atol=1e-8)


def test_one_hot_targets_and_columns_of_labels() -> None:
    rows = np.eye(4)[CLASSES]
    for framework in ("torch", "tensorflow"):
        assert loss_and_gradient(framework, OUTPUTS, rows, 3.0, "relu")[0] == pytest.approx(
            loss_and_gradient(framework, OUTPUTS, CLASSES, 3.0, "relu")[0]
        )
    column = evidential_loss(tf.constant(OUTPUTS), tf.constant(CLASSES[:, None]), 3.0)
    assert float(column) == pytest.approx(formula(OUTPUTS, CLASSES, 0.3, "relu"))


def heads() -> tuple[Any, Any]:
    weights, bias = RNG.normal(size=(6, 3)).astype(np.float32), np.array([0.2, -0.1, 0.4], np.float32)
    net = torch.nn.Linear(6, 3).eval()
    net.weight.data, net.bias.data = torch.from_numpy(weights.T.copy()), torch.from_numpy(bias)
    twin = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    twin.layers[0].set_weights([weights, bias])
    return net, twin


def test_predictions_from_evidence() -> None:
    net, twin = heads()
    x = RNG.normal(size=(7, 6)).astype(np.float32)
    found, other = predict_evidential(net, x, batch_size=2), predict_evidential(twin, x)
    alpha = np.maximum(net(torch.from_numpy(x)).detach().numpy().astype(np.float64), 0) + 1
    total = alpha.sum(1)
    np.testing.assert_allclose(found.probabilities, alpha / total[:, None], atol=1e-12)
    np.testing.assert_allclose(found.uncertainty, 3 / total, atol=1e-12)
    drawn = np.stack([RNG.dirichlet(row, 20_000) for row in alpha])
    np.testing.assert_allclose(found.variance, drawn.var(1), atol=2e-3)
    spread = -(drawn * np.log(np.maximum(drawn, 1e-300))).sum(2).mean(1)
    np.testing.assert_allclose(found.mutual_information, found.entropy - spread, atol=5e-3)
    exact = digamma(total + 1) - (alpha / total[:, None] * digamma(alpha + 1)).sum(1)
    np.testing.assert_allclose(found.entropy - found.mutual_information, exact, atol=1e-11)
    np.testing.assert_allclose(other.mean, found.mean, atol=1e-6)


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_relevance_starts_from_the_evidence(evidence: str, tmp_path: Any) -> None:
    net, twin = heads()
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    words: dict[str, Any] = {"target": EvidenceTarget(1, evidence), "unfit": "ignore", "toolset": "captum"}
    found = explain(net, "saliency", x, abs=False, **words)
    z = net(torch.from_numpy(x)).detach().numpy()[:, 1:2]
    slope = {"relu": z > 0, "softplus": 1 / (1 + np.exp(-z)), "exp": np.exp(z)}[evidence]
    np.testing.assert_allclose(found.values, slope * net.weight.detach().numpy()[1], rtol=1e-5)
    np.testing.assert_allclose(
        explain(twin, "saliency", x, abs=False, **words).values, found.values, rtol=1e-5, atol=1e-6
    )
    assert found.target == "evidence of class 1"
    back = Explanation.load(found.save(tmp_path / "e.npz"))
    np.testing.assert_array_equal(back.rerun(net).values, found.values)
    most = explain(net, "saliency", x, abs=False, **{**words, "target": EvidenceTarget(None, evidence)})
    assert most.values.shape == x.shape


def test_a_head_learns_what_it_does_not_know() -> None:
    """Two clusters of one class each, and one in which the classes are drawn by lot: there the evidence is small."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    where = np.repeat([0, 1, 2], 100)
    y = np.where(where < 2, where, rng.integers(0, 2, 300))
    x = (rng.normal(size=(300, 2)) * 0.3 + np.array([[-2.0, 0], [2.0, 0], [0, 3.0]])[where]).astype(np.float32)
    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for epoch in range(200):
        optimizer.zero_grad()
        outputs = net(torch.from_numpy(x))
        evidential_loss(outputs, torch.from_numpy(y), epoch, annealing_steps=50, evidence="softplus").backward()
        optimizer.step()
    found = predict_evidential(net, x, evidence="softplus")
    assert found.probabilities is not None
    assert found.uncertainty is not None
    assert (found.probabilities.argmax(1) == y)[where < 2].mean() == 1
    assert found.uncertainty[where == 2].min() > 2 * found.uncertainty[where < 2].mean()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="evidence is one of"):
        evidential_loss(torch.zeros(2, 3), torch.zeros(2), evidence="tanh")
    with pytest.raises(InvalidArgumentError, match=r"shape \(N, classes\)"):
        evidential_loss(torch.zeros(2), torch.zeros(2))
    with pytest.raises(InvalidArgumentError, match="index of a class"):
        EvidenceTarget("a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="evidence is of classes"):
        predict_evidential(torch.nn.Linear(6, 1), np.zeros((2, 6), np.float32))
