"""Models that keep a state, tensors with a history, or reduced precision: the state as it is now is what is translated."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, translate
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm

pytestmark = pytest.mark.timeout(600)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("n", torch.tensor(4.0))

    def forward(self, x: Any) -> Any:
        y = self.linear(x) * self.n
        self.n += 1
        return y


class Reassigned(Counter):
    def forward(self, x: Any) -> Any:
        y = self.linear(x) + self.n
        self.n = y.mean().detach()
        return y


class PlainList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.caches = [torch.ones(2)]

    def forward(self, x: Any) -> Any:
        y = self.linear(x) + self.caches[0]
        self.caches[0] = y[0].detach()
        return y


class Number(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.k = 1

    def forward(self, x: Any) -> Any:
        self.k += 1
        return self.linear(x) * self.k


class Scaled(nn.Linear):
    def forward(self, x: Any) -> Any:
        self.weight.data = self.weight.data * 1.5
        return super().forward(x)


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.linear(x).float()


X = np.random.default_rng(0).standard_normal((3, 2)).astype("float32")


@pytest.mark.parametrize("engine", ["auto", "torchscript"])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Counter, "n"),
        (Reassigned, "n"),
        (lambda: nn.Sequential(Counter(), Counter()), "0.n, 1.n"),
        (PlainList, "caches"),
        (Number, "k"),
    ],
)
def test_the_translation_is_the_first_call_from_the_state_as_it_is(make: Any, name: str, engine: str) -> None:
    model = make().eval()
    with torch.no_grad():
        first = copy.deepcopy(model)(torch.tensor(X)).numpy()
    translation = translate(model, "torch", example_inputs=X, engine=engine)
    assert any(f"({name})" in note for note in translation.notes)
    with torch.no_grad():
        np.testing.assert_allclose(translation.model(torch.tensor(X)).numpy(), first, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(model(torch.tensor(X)).numpy(), first)  # the source's own state has not moved


def test_a_parameter_that_forward_changes_is_named() -> None:
    with pytest.raises(UnsupportedOperatorError, match="parameter 'weight'"):
        translate(Scaled(2, 2).eval(), "torch", example_inputs=X)


@pytest.mark.filterwarnings("ignore:.*is deprecated in favor of:FutureWarning")  # still in the models of many
@pytest.mark.parametrize("norm", [weight_norm, spectral_norm])
def test_weights_that_have_a_history(norm: Any) -> None:
    model = nn.Sequential(norm(nn.Linear(2, 3)), nn.ReLU())
    model(torch.tensor(X))
    translation = translate(model.eval(), "torch", example_inputs=X)
    with torch.no_grad():
        expected = model(torch.tensor(X)).numpy()
        np.testing.assert_allclose(translation.model(torch.tensor(X)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_autocast_in_forward_is_compared_without() -> None:
    model = Autocast().eval()
    translation = translate(model, "torch", example_inputs=X)
    assert any("autocast" in note for note in translation.notes)
    with torch.no_grad():
        expected = model.linear(torch.tensor(X)).numpy()
        np.testing.assert_allclose(translation.model(torch.tensor(X)).numpy(), expected, rtol=1e-5, atol=1e-6)
