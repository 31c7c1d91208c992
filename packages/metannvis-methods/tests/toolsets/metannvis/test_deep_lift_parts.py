"""DeepLIFT with its parts apart: the paper's examples, its equations written out, Captum where both say the same, and sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

from .networks import SHAPES, SOURCES, randomized, source

torch = require("torch")
nn = torch.nn
METHODS = ("deep_lift_linear", "deep_lift_reveal_cancel")


class Minimum(nn.Module):
    """min(a, b) = a - relu(a - b), the network of figure 3 of the paper."""

    def forward(self, x: Any) -> Any:
        return x[:, :1] - torch.relu(x[:, :1] - x[:, 1:])


class And(nn.Module):
    """relu(a + b - 1)."""

    def forward(self, x: Any) -> Any:
        return torch.relu(x[:, :1] + x[:, 1:] - 1)


def test_a_minimum_is_shared_where_rescale_gives_all_to_one() -> None:
    x = np.array([[1.0, 3.0], [4.0, 2.0]])
    np.testing.assert_allclose(explain(Minimum(), "deep_lift_reveal_cancel", x).values, [[0.5, 0.5], [1.0, 1.0]])
    np.testing.assert_allclose(explain(Minimum(), "deep_lift_linear", x).values, [[1.0, 0.0], [0.0, 2.0]])


def test_both_inputs_of_a_conjunction_count() -> None:
    x = np.array([[1.0, 1.0], [0.9, 0.6]])
    for method in METHODS:
        found = explain(And(), method, x).values
        np.testing.assert_allclose(found[0], [0.5, 0.5], rtol=1e-6)
        np.testing.assert_allclose(found[1], np.array([0.9, 0.6]) / 1.5 * 0.5, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.7])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_padded_differs_from_nothing(method: str, value: float) -> None:
    """Padding by a function, as a Keras ZeroPadding2D arrives, is that of the convolution."""

    class Padded(nn.Module):
        def __init__(self, conv: Any) -> None:
            super().__init__()
            self.conv, self.dense = conv, nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            return self.dense(torch.relu(self.conv(nn.functional.pad(x, (1, 1, 1, 1), value=value))).mean((2, 3)))

    torch.manual_seed(0)
    net = Padded(nn.Conv2d(3, 8, 3)).double()
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 6, 5))
    found = explain(net, method, x, target=1, baselines=0.2, toolset="metannvis").values
    whole, base = (net(torch.from_numpy(array))[:, 1].detach().numpy() for array in (x, np.full_like(x, 0.2)))
    np.testing.assert_allclose(found.sum((1, 2, 3)), whole - base, rtol=1e-9)
    if not value:
        net.conv.padding, forward = (1, 1), lambda x: net.dense(torch.relu(net.conv(x)).mean((2, 3)))
        net.forward = forward
        same = explain(net, method, x, target=1, baselines=0.2, toolset="metannvis").values
        np.testing.assert_allclose(found, same, rtol=1e-9, atol=1e-15)


def by_hand(net: Any, x: np.ndarray, base: np.ndarray, target: int) -> np.ndarray:
    """Dense, ReLU, dense, ReLU, dense: equations of 3.5.1 and 3.5.3, multiplier after multiplier."""
    weights = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in net[::2]]
    difference, reference = x - base, base
    plus, minus = np.maximum(difference, 0), np.minimum(difference, 0)
    steps = []
    for k, (w, b) in enumerate(weights):
        product = w * (plus + minus)[:, None]  # (N, out, in)
        nothing = 0.5 * (product == 0) * w  # parts that cancel: half of the multipliers each
        up, down = (product > 0) * w + nothing, (product < 0) * w + nothing
        total = (plus + minus)[:, :, None]
        new_plus, new_minus = (up @ total)[..., 0], (down @ total)[..., 0]
        reference = reference @ w.T + b
        steps.append((up, down, None, None))
        plus, minus = new_plus, new_minus
        if k < len(weights) - 1:
            g = lambda z: np.maximum(z, 0)  # noqa: E731
            r = reference
            y_plus = 0.5 * (g(r + plus) - g(r)) + 0.5 * (g(r + minus + plus) - g(r + minus))
            y_minus = 0.5 * (g(r + minus) - g(r)) + 0.5 * (g(r + plus + minus) - g(r + plus))
            with np.errstate(invalid="ignore"):
                m_plus, m_minus = np.nan_to_num(y_plus / plus), np.nan_to_num(y_minus / minus)
            steps[-1] = (up, down, m_plus, m_minus)
            plus, minus, reference = y_plus, y_minus, g(reference)
    to_plus = to_minus = np.eye(weights[-1][0].shape[0])[[target] * len(x)]
    for up, down, m_plus, m_minus in reversed(steps):
        if m_plus is not None:
            to_plus, to_minus = to_plus * m_plus, to_minus * m_minus
        both = np.einsum("no,noi->ni", to_plus, up) + np.einsum("no,noi->ni", to_minus, down)
        to_plus = to_minus = both
    return np.asarray(to_plus * difference)


def test_a_dense_network_by_the_equations() -> None:
    net = randomized(nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3)), seed=2)
    random = np.random.default_rng(0)
    x, base = random.standard_normal((5, 7)), random.standard_normal((1, 7))
    found = explain(net, "deep_lift_reveal_cancel", x, target=2, baselines=base).values
    np.testing.assert_allclose(found, by_hand(net, x, base, 2), rtol=1e-9, atol=1e-12)
    other = explain(net, "deep_lift_linear", x, target=2, baselines=base).values
    assert np.abs(found - other).max() > 0.01 * np.abs(found).max()  # or the test would say nothing


class Residual(nn.Module):
    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.conv1, self.norm, self.conv2 = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.Conv2d(6, 6, 3, padding=1),
        )
        self.relu, self.act, self.pool = nn.ReLU(), nn.Tanh(), pool
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.norm(self.conv1(x)))
        x = self.pool(self.act(self.conv2(x)) + x)
        return self.fc(torch.flatten(x.mean((2, 3)) / 0.5 - 0.1, 1))


X = np.random.default_rng(3).standard_normal((3, 3, 11, 9))
BASE = np.random.default_rng(4).standard_normal((1, 3, 11, 9))


def test_without_maxima_linear_and_rescale_are_captums_deep_lift() -> None:
    model = randomized(Residual(nn.AvgPool2d(2)))
    words = {"target": [0, 3, 1], "baselines": BASE}
    found = explain(model, "deep_lift_linear", X, **words).values
    np.testing.assert_allclose(
        found, explain(model, "deep_lift", X, toolset="captum", **words).values, rtol=1e-7, atol=1e-10
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(2), nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True)]
)
def test_contributions_add_up(method: str, pool: Any) -> None:
    model = randomized(Residual(pool))
    found = explain(model, method, X, target=2, baselines=BASE, batch_size=2).values
    with torch.no_grad():
        difference = (model(torch.from_numpy(X)) - model(torch.from_numpy(BASE)))[:, 2].numpy()
    np.testing.assert_allclose(found.sum((1, 2, 3)), difference, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_maximum_over_all_places_adds_up(method: str) -> None:
    class Largest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

        def forward(self, x: Any) -> Any:
            return torch.amax(x, (2, 3)) * self.factor

    found = explain(Largest(), method, X, target=1, baselines=BASE).values
    difference = -2 * (X.max((2, 3)) - BASE.max((2, 3)))[:, 1]
    np.testing.assert_allclose(found.sum((1, 2, 3)), difference, rtol=1e-9)
    assert not found[:, [0, 2]].any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", SHAPES)
def test_twins_of_every_framework_have_the_same_contributions(kind: str, method: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source(kind, framework)
        values = explain(model, method, x, target=[1, 0], baselines=0.1, logits=True).values
        maps.append(np.moveaxis(values, -1, 1) if framework == "tensorflow" and kind != "table" else values)
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-7, atol=1e-10)


def test_what_there_is_no_rule_for_is_refused_by_name() -> None:
    class Product(nn.Module):
        def forward(self, x: Any) -> Any:
            return (x * x.mean(1, keepdim=True)).sum(1, keepdim=True)

    class Attention(nn.Module):
        def forward(self, x: Any) -> Any:
            return (torch.softmax(x, 1) @ torch.ones(4, 1)).sum(1, keepdim=True)

    for model, name in ((Product(), "mul"), (Attention(), "softmax")):
        with pytest.raises(InvalidArgumentError, match=f"deep_lift_reveal_cancel has no rule for {name}"):
            explain(model, "deep_lift_reveal_cancel", np.ones((1, 4)))
