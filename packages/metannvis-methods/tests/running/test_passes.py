"""A call makes the passes of its method and no others where the method's own tell what is to be known."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_methods import SegmentationTarget, explain
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate.frameworks.requirements import require

torch, keras = require("torch"), require("keras")


def network(*last: Any) -> Any:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(3 * 36, 4)]
    return torch.nn.Sequential(*layers, *last).eval()


def keras_network(count: list[int] | None = None, activation: str | None = None) -> Any:
    class Counting(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            if count is not None and hasattr(x, "numpy"):
                count.append(len(x))
            return x

    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(Counting()(inputs))
    return keras.Model(inputs, keras.layers.Dense(4, activation=activation)(keras.layers.Flatten()(maps)))


X = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype("float32")


def passes(model: Any, run: Callable[[], Any]) -> tuple[list[int], Any]:
    """Rows of each pass through a module while something runs, and what that returned."""
    rows: list[int] = []
    hook = model.register_forward_hook(lambda module, given, output: rows.append(len(given[0])))
    try:
        return rows, run()
    finally:
        hook.remove()


def predicted(model: Any, x: np.ndarray = X) -> list[tuple[int, float]]:
    with torch.no_grad():
        output = model(torch.from_numpy(x)).numpy()
    return [(int(row.argmax()), float(row.max())) for row in output]


OWN = {
    "saliency": {},
    "input_x_gradient": {},
    "deep_lift": {},
    "guided_backprop": {},
    "grad_cam": {"layer": "0"},
    "layer_activation": {"layer": "0"},
    "occlusion": {"sliding_window_shapes": (1, 4, 4), "strides": (1, 4, 4)},
}


@pytest.mark.parametrize("key", OWN)
def test_a_method_that_runs_the_inputs_is_the_only_one_that_does(key: str) -> None:
    import captum.attr

    model, words = network(), dict(OWN[key])
    target = {} if key == "layer_activation" else {"target": 1}
    kinds = {"grad_cam": "LayerGradCam", "input_x_gradient": "InputXGradient"}
    cls = getattr(captum.attr, kinds.get(key, "".join(part.title() for part in key.split("_"))))
    at = [model[0]] if "layer" in words else []
    more = {name: value for name, value in words.items() if name != "layer"}
    more |= {"return_convergence_delta": True} if key == "deep_lift" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = torch.from_numpy(X).requires_grad_()
        toolkit, _ = passes(model, lambda: cls(model, *at).attribute(given, **target, **more))
        explain(model, key, X, toolset="captum", **target, **words)  # axes are looked at once
        rows, e = passes(model, lambda: explain(model, key, X, toolset="captum", **target, **words))
    assert rows == toolkit
    assert [(p["class"], pytest.approx(p["value"], abs=1e-6)) for p in e.prediction] == predicted(model)


@pytest.mark.parametrize("bound", [None, 2])
def test_without_a_target_one_pass_finds_it(bound: int | None) -> None:
    model = network()
    explain(model, "saliency", X, toolset="captum")
    rows, e = passes(model, lambda: explain(model, "saliency", X, toolset="captum", batch_size=bound))
    assert rows == ([3, 3] if bound is None else [2, 1, 2, 1])
    assert list(e.target) == [k for k, _ in predicted(model)]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("integrated_gradients", {"n_steps": 5}),
        ("integrated_gradients", {"n_steps": 5, "batch_size": 2}),
        ("gradient_shap", {"baselines": 0 * X, "seed": 0}),
        ("saliency", {"noise": "smoothgrad", "seed": 0}),
        ("lime", {"feature_mask": "grid", "n_samples": 10, "seed": 0}),
        ("kernel_shap", {"feature_mask": "grid", "n_samples": 10, "seed": 0}),
        ("shapley_value_sampling", {"feature_mask": "grid", "n_samples": 1, "seed": 0}),
        ("layer_integrated_gradients", {"layer": "0", "n_steps": 3}),
        ("layer_feature_ablation", {"layer": "1", "layer_mask": np.zeros((1, 3, 6, 6), int)}),
        ("neuron_gradient", {"layer": "0", "neuron": (0, 1, 1)}),
        ("deep_lift_shap", {"baselines": np.stack([0 * X[0], X[0] / 2])}),
    ],
)
def test_the_prediction_is_of_the_inputs_whatever_the_method_runs(key: str, words: dict[str, Any]) -> None:
    model = network()
    words = words if key == "neuron_gradient" else {**words, "target": 2}
    for _ in range(2):
        e = explain(model, key, X, toolset="captum", unfit="ignore", **words)
        assert [(p["class"], pytest.approx(p["value"], abs=1e-5)) for p in e.prediction] == predicted(model)


class Changing(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Returns what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.way = network(), (lambda y: y)

    def forward(self, x: Any) -> Any:
        return self.way(self.net(x))


def test_a_model_that_returns_something_else_than_before_is_understood() -> None:
    model = Changing().eval()

    def run(key: str = "saliency", **words: Any) -> Any:
        return explain(model, key, X, toolset="captum", **words)

    def gradient(of: Callable[[Any], Any]) -> np.ndarray:
        x = torch.from_numpy(X).requires_grad_()
        return np.abs(torch.autograd.grad(of(model.net(x)).sum(), x)[0].numpy())

    plain = gradient(lambda y: y[:, 1])
    np.testing.assert_allclose(run(target=1).values, plain, atol=1e-6)
    model.way = lambda y: {"logits": y}
    np.testing.assert_allclose(run(target=1).values, plain, atol=1e-6)
    model.way = lambda y: {"side": 2 * y, "logits": y}
    with pytest.raises(InvalidArgumentError, match="2 outputs: say which"):
        run(target=1)
    e = run(target=1, output="side")
    np.testing.assert_allclose(e.values, 2 * plain, atol=1e-6)
    assert e.output == "side" and e.prediction[0]["value"] == pytest.approx(2 * predicted(model.net)[0][1])
    model.way = lambda y: {"logits": y, "side": 2 * y}
    np.testing.assert_allclose(run(target=1, output="side").values, 2 * plain, atol=1e-6)
    model.way = lambda y: y[:, :1]
    np.testing.assert_allclose(run().values, gradient(lambda y: y[:, 0]), atol=1e-6)
    model.way = lambda y: y[:, 1]
    np.testing.assert_allclose(run(target=0).values, plain, atol=1e-6)
    model.way = lambda y: y
    with pytest.raises(InvalidArgumentError, match=r"target 7 is out of range: the output has shape \(3, 4\)"):
        run(target=7)
    np.testing.assert_allclose(run("grad_cam", layer="net.0", target=1).values.shape, (3, 1, 6, 6))


def test_a_softmax_that_comes_or_goes_is_noticed() -> None:
    model = Changing().eval()

    def run() -> Any:
        return explain(model, "grad_cam", X, layer="net.0", target=1, toolset="captum")

    plain = run()
    model.way = lambda y: torch.softmax(y, 1)
    cut = run()
    assert not plain.options.get("logits") and cut.options["logits"]
    np.testing.assert_allclose(cut.values, plain.values, atol=1e-6)
    assert sum(p["probability"] is not None for p in cut.prediction) == 3
    rows, again = passes(model, run)
    assert rows == [3] and np.array_equal(again.values, cut.values) and again.prediction == cut.prediction
    model.way = lambda y: y
    np.testing.assert_allclose(run().values, plain.values, atol=1e-6)


def test_mistakes_are_told_as_with_a_prediction_of_its_own() -> None:
    model = network()
    for _ in range(2):  # before the model is known, and after
        with pytest.raises(InvalidArgumentError, match=r"out of range: the output has shape \(3, 4\)"):
            explain(model, "integrated_gradients", X, target=4, toolset="captum")
        with pytest.raises(InvalidArgumentError, match="2 targets for 3 samples"):
            explain(model, "saliency", X, target=[1, 2], toolset="captum")
        with pytest.raises(InvalidArgumentError, match="does not run on inputs of shape"):
            explain(model, "saliency", X[..., :5], target=1, toolset="captum")
        explain(model, "saliency", X, target=1, toolset="captum")
    dense = torch.nn.Conv2d(1, 4, 3).eval()
    for _ in range(2):
        with pytest.raises(MissingArgumentError, match="give target"):
            explain(dense, "saliency", X, toolset="captum")
        explain(dense, "saliency", X, target=(1, 2, 2), toolset="captum")
        explain(dense, "saliency", X, target=SegmentationTarget(1), toolset="captum")


def test_outputs_that_are_not_finite_are_told() -> None:
    model = Changing().eval()
    for _ in range(2):
        model.way = lambda y: y / 0
        e = explain(model, "saliency", X, target=1, toolset="captum", unfit="ignore")
        assert any("not finite" in text for text in e.warnings)


@pytest.mark.parametrize("key", ["saliency", "grad_cam"])
def test_a_keras_model_is_run_once(key: str) -> None:
    count: list[int] = []
    model, x = keras_network(count), np.moveaxis(X, 1, -1)
    words: dict[str, Any] = {"toolset": "tf-keras-vis", "target": 1, **({"layer": "conv"} if key != "saliency" else {})}
    expected = model(x).numpy()
    explain(model, key, x, **words)
    count.clear()
    e = explain(model, key, x, **words)
    assert count == [3]
    count.clear()
    explain(model, key, x, batch_size=2, **words)
    assert count == ([2, 1] if key != "saliency" else [2, 1, 2, 1])  # its pieces run once more for their gradients
    assert [p["class"] for p in e.prediction] == list(expected.argmax(1))
    np.testing.assert_allclose([p["value"] for p in e.prediction], expected.max(1), atol=1e-6)
    for more in ({"smooth_samples": 2}, {"noise": "smoothgrad"}) if key == "saliency" else ({"training": True},):
        again = explain(model, key, x, **words, **more)
        np.testing.assert_allclose([p["value"] for p in again.prediction], expected.max(1), atol=1e-6)


def test_a_keras_models_probabilities_are_predicted_where_its_logits_are_explained() -> None:
    model, x = keras_network(activation="softmax"), np.moveaxis(X, 1, -1)
    e = explain(model, "grad_cam", x, toolset="tf-keras-vis", target=1, layer="conv")
    np.testing.assert_allclose([p["probability"] for p in e.prediction], model(x).numpy().max(1), atol=1e-6)


def test_a_translated_model_is_run_once() -> None:
    model, x = keras_network(), np.moveaxis(X, 1, -1)
    expected = model(x).numpy()
    for _ in range(2):
        e = explain(model, "saliency", x, toolset="captum", target=1)
        np.testing.assert_allclose([p["value"] for p in e.prediction], expected.max(1), atol=1e-5)
