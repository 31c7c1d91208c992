"""Inputs by name, positions and masks in every form they may be given in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, explain
from metannvis_translate import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

A, B = np.random.default_rng(3).standard_normal((2, 2, 4)).astype(np.float32)


def of_torch() -> Any:
    torch = require("torch")

    class Two(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(8, 3)

        def forward(self, a: Any, b: Any) -> Any:
            return self.fc(torch.cat([2 * a, 5 * b], 1))

    return Two().eval()


def of_keras(as_dict: bool) -> Any:
    keras = require("keras")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    output = keras.layers.Dense(3)(keras.layers.Concatenate()([2 * a, 5 * b]))
    return keras.Model({"b": b, "a": a} if as_dict else [a, b], output)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize(
    "make", [of_torch, lambda: of_keras(True), lambda: of_keras(False)], ids=["torch", "dict", "list"]
)
def test_names_decide_not_the_order_of_a_dict(make: Any, toolset: str) -> None:
    model = make()
    words: dict[str, Any] = {"target": 1, "toolset": toolset}
    if toolset == "tf-keras-vis":
        words |= {"keepdims": True, "normalize_map": False}
    right = explain(model, "saliency", (A, B), **words)
    turned = explain(model, "saliency", {"b": B, "a": A}, **words)
    for one, other, mine, given in zip(right.values, turned.values, turned.inputs or (), (A, B), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(mine, given)
    with pytest.raises(InvalidArgumentError, match="called a, b, not a, c"):
        explain(model, "saliency", {"a": A, "c": B}, **words)


def test_the_target_is_recorded_as_it_was_given(tmp_path: Path) -> None:
    keras = require("keras")
    layers = keras.layers
    model = keras.Sequential([keras.Input((6, 8, 3)), layers.Conv2D(4, 3, padding="same"), layers.Conv2D(2, 1)])
    x = np.random.default_rng(0).standard_normal((2, 6, 8, 3)).astype(np.float32)
    places = [(2, 7, 1), (5, 3, 0)]
    for target in (
        (2, 7, 1),
        places,
    ):  # one position, and one a sample: a list of three would be three samples' classes
        found = explain(model, "saliency", x, target=target, toolset="captum")
        assert found.target == target
        assert Explanation.load(found.save(tmp_path / "found")).target == target


def test_a_neuron_given_as_an_array(digits: Any) -> None:
    torch = require("torch")
    place = (1, 2, 3)
    right = explain(
        digits.keras, "neuron_gradient", digits.x_last, layer="conv1", neuron=place, toolset="captum"
    ).values
    for form in (list(place), np.array(place), torch.tensor(place)):
        found = explain(digits.keras, "neuron_gradient", digits.x_last, layer="conv1", neuron=form, toolset="captum")
        assert np.array_equal(found.values, right)


def test_a_mask_without_samples_is_not_cut() -> None:
    torch = require("torch")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 5, 5)).eval()
    x = np.random.default_rng(0).standard_normal((3, 3, 4, 5)).astype(np.float32)
    mask = np.arange(3).reshape(3, 1, 1) * np.ones((3, 4, 5), int)  # as many channels as samples
    whole, pieces = (
        explain(net, "feature_ablation", x, target=1, feature_mask=mask, toolset="captum", batch_size=size).values
        for size in (None, 1)
    )
    np.testing.assert_allclose(pieces, whole, rtol=1e-5, atol=1e-6)
