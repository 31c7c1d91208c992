"""Deadlines: a run ends with what there is, or with an error, in time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, SmoothGrad, UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype("float32")
#: Seconds of a pass.
PAUSE = 0.1


class Slow(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        time.sleep(PAUSE)
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


def test_a_method_ends_in_an_error_when_its_time_is_over() -> None:
    model = Slow().eval()
    explain(model, "saliency", X, target=1, toolset="captum")  # whatever is loaded first
    for method, words in (
        ("occlusion", {"sliding_window_shapes": (1, 1, 1)}),
        ("integrated_gradients", {"n_steps": 200, "batch_size": 1}),
        ("layer_conductance", {"layer": "conv", "n_steps": 200, "batch_size": 1}),
    ):
        started = time.monotonic()
        with pytest.raises(DeadlineError, match=f"{method} was not done in time"):
            explain(model, method, X, target=1, toolset="captum", deadline=1, **words)
        assert time.monotonic() - started < 15, method  # two hundred passes take twenty seconds and more
    assert not model._forward_hooks


def test_noise_ends_with_the_copies_there_are() -> None:
    model = Slow().eval()
    with pytest.warns(UnfitWarning, match=r"the time was over after \d+ of 300"):
        e = explain(model, "saliency", X, target=1, toolset="captum", noise=SmoothGrad(300, 0.1), deadline=2, seed=0)
    assert np.abs(e.values).max() > 0
    assert any("of 300 noisy copies" in text for text in e.warnings)


def ending(*, anytime: bool) -> Any:
    """What is expected of a run whose time is over."""
    if anytime:
        return pytest.warns(UnfitWarning, match="the time was over after")
    return pytest.raises(DeadlineError, match="^[a-z_]+ was not done in time: .* the samples there are$")


class SlowRows(torch.nn.Module):
    """Takes a time for each row, so that many steps take a minute, in one pass or in many."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        time.sleep(0.06 * len(x))
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("integrated_gradients", {"n_steps": 1000, "options": {"method": "riemann_trapezoid"}}),
        ("layer_conductance", {"layer": "conv", "n_steps": 1000, "options": {"method": "riemann_trapezoid"}}),
        ("gradient_shap", {"baselines": 0 * X, "n_samples": 2000, "seed": 0}),
        ("lime", {"feature_mask": "pixels", "n_samples": 2000, "seed": 0}),
        ("shapley_value_sampling", {"n_samples": 20, "seed": 0}),
        ("saliency", {"noise": SmoothGrad(2000, 0.1), "seed": 0}),
    ],
)
def test_what_would_take_a_minute_ends_in_two_seconds(method: str, words: dict[str, Any]) -> None:
    model = SlowRows().eval()
    explain(model, "saliency", X, target=1, toolset="captum")  # whatever is loaded first
    started = time.monotonic()
    with ending(anytime="noise" in words):
        explain(model, method, X, target=1, toolset="captum", deadline=2, **words)
    assert time.monotonic() - started < 3


class Pausing(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        if hasattr(x, "numpy"):
            time.sleep(0.06 * len(x))
        return x


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("smooth_grad", {"smooth_samples": 2000}),
        ("score_cam", {"layer": "conv"}),
        ("saliency", {"noise": SmoothGrad(2000, 0.1), "seed": 0}),
        ("activation_maximization", {"steps": 2000}),
    ],
)
def test_what_would_take_a_minute_in_keras_ends_in_two_seconds(method: str, words: dict[str, Any]) -> None:
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(2000 if method == "score_cam" else 4, 3, name="conv")(Pausing()(x))
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(y)))
    words = words if method == "activation_maximization" else {**words, "inputs": X.transpose(0, 2, 3, 1)}
    explain(model, "saliency", X.transpose(0, 2, 3, 1), target=1, toolset="tf-keras-vis")
    started = time.monotonic()
    with ending(anytime="noise" in words):
        explain(model, method, target=1, toolset="tf-keras-vis", deadline=2, **words)
    assert time.monotonic() - started < 3


def test_what_is_done_in_time_is_as_without_a_deadline() -> None:
    model = Slow().eval()
    words = {"target": 1, "toolset": "captum", "seed": 0, "noise": SmoothGrad(3, 0.1)}
    found, expected = (explain(model, "saliency", X, deadline=deadline, **words).values for deadline in (600, None))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_methods_of_keras_end_too() -> None:
    x = keras.Input((8, 8, 3))
    y = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(64, 3, name="conv")(x))
    model, image = keras.Model(x, keras.layers.Dense(2)(y)), X.transpose(0, 2, 3, 1)
    words = {"target": 1, "toolset": "tf-keras-vis", "layer": "conv"}
    kept = explain(model, "score_cam", image, **words).values
    np.testing.assert_array_equal(explain(model, "score_cam", image, deadline=600, **words).values, kept)
    with pytest.raises(DeadlineError):
        explain(model, "score_cam", image, deadline=1e-9, **words)


@pytest.mark.parametrize("deadline", [0, -1, "soon", True])
def test_a_deadline_is_a_number_of_seconds(deadline: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="number of seconds"):
        explain(Slow(), "saliency", X, target=1, toolset="captum", deadline=deadline)


@pytest.mark.parametrize("words", [{"layer": ["conv"] * 20}, {"layer": "convolutions"}], ids=["layers", "convolutions"])
def test_layers_have_one_deadline(words: Any) -> None:
    """Each of them had the whole time before."""

    class Deep(Slow):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 3, padding=1),
                *(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(19)),
            )

    model = Deep().eval()
    explain(model, "layer_activation", X, layer="conv", toolset="captum")  # whatever is loaded first
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="layer_conductance was not done in time"):
        explain(
            model,
            "layer_conductance",
            X,
            target=1,
            toolset="captum",
            n_steps=4,
            batch_size=2,
            deadline=1,
            unfit="ignore",
            **words,
        )
    assert time.monotonic() - started < 3


def test_a_record_holds_the_deadline_that_was_given() -> None:
    model = Slow().eval()
    found: Any = explain(model, "layer_activation", X, layer=["conv", "fc"], toolset="captum", deadline=60)
    assert [e.record.words["deadline"] for e in found.values()] == [60, 60]
