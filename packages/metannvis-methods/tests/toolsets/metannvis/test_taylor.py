"""Simple Taylor and sensitivity analysis against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

from .networks import randomized

torch = require("torch")
nn = torch.nn
X = np.random.default_rng(0).uniform(-1, 1, (4, 6))


def linear(bias: bool = False) -> Any:
    return randomized(nn.Linear(6, 3, bias=bias), seed=3)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_function_is_shared_by_its_squared_weights(bias: bool) -> None:
    net = linear(bias)
    targets = [0, 1, 2, 1]
    found = explain(net, "simple_taylor", X, target=targets).values
    with torch.no_grad():
        f = net(torch.from_numpy(X)).numpy()[range(4), targets]
    w = net.weight.detach().numpy()[targets]
    np.testing.assert_allclose(found, f[:, None] * w**2 / (w**2).sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(found.sum(1), f, rtol=1e-12)


class Quadratic(nn.Module):
    """f = |x|² − c, whose root along the gradient is known: x √c/|x|."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = c

    def forward(self, x: Any) -> Any:
        return (x**2).sum(1, keepdim=True) - self.c


@pytest.mark.parametrize("c", [0.3, 50.0])  # within, and beyond the input, where the output is negative
def test_the_root_of_a_curved_function_is_found(c: float) -> None:
    x = X.astype("float32").astype(float)
    found = explain(Quadratic(c), "simple_taylor", x).values
    root = x * np.sqrt(c) / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(found, (x - root) * 2 * root, rtol=2e-5, atol=1e-5)


def test_of_a_network_the_output_is_zero_at_the_root() -> None:
    """R = (x - x̃) ∂f(x̃), and x - x̃ lies along the gradient at x: both are checked by autograd alone."""
    net = randomized(nn.Sequential(nn.Linear(6, 16), nn.Softplus(), nn.Linear(16, 2)), seed=5)
    found = explain(net, "simple_taylor", X, target=1).values
    point = torch.from_numpy(X).requires_grad_()
    whole = net(point)[:, 1]
    (slope,) = torch.autograd.grad(whole.sum(), point)
    whole = whole.detach()
    for k in range(4):
        away = whole[k].sign()
        scale = float(whole[k].abs() / (slope[k] ** 2).sum())
        steps = torch.linspace(0, 20 * scale, 400_001, dtype=torch.float64)[:, None]
        points = torch.from_numpy(X[k]) - away * steps * slope[k]
        with torch.no_grad():
            first = int((net(points)[:, 1] * away <= 0).nonzero()[0, 0])
        root = points[first].detach().requires_grad_()
        (at_root,) = torch.autograd.grad(net(root[None])[0, 1], root)
        expected = ((torch.from_numpy(X[k]) - root) * at_root).detach().numpy()
        np.testing.assert_allclose(found[k], expected, rtol=2e-3, atol=1e-6)


def test_no_root_on_the_line_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="the output of sample 0, 1, 2, 3 has no root on the line"):
        explain(Quadratic(-1.0), "simple_taylor", X)


def test_sensitivity_is_the_squared_gradient() -> None:
    net = randomized(nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2)), seed=5)
    w1, b1, w2 = (p.detach().numpy() for p in (net[0].weight, net[0].bias, net[2].weight))
    hidden = np.tanh(X @ w1.T + b1)
    gradient = ((1 - hidden**2) * w2[1]) @ w1
    for bound in (None, 3):
        found = explain(net, "sensitivity_analysis", X, target=1, batch_size=bound).values
        np.testing.assert_allclose(found, gradient**2, rtol=1e-12)


def test_a_root_from_which_on_a_relu_is_shut_is_the_first_one() -> None:
    """Behind it the gradient is zero, and so was the whole map: it is that on this side."""
    net = nn.Sequential(nn.Linear(6, 1, bias=False), nn.ReLU())
    net.double()
    weight = net[0].weight.detach().numpy()[0]
    x = np.abs(X) * np.sign(weight)  # the ReLU is open
    found = explain(net, "simple_taylor", x, n_steps=30).values
    expected = (x @ weight)[:, None] * weight**2 / (weight @ weight)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
