"""Calls as a caller writes them: the report's, the ways to give values, targets and models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import MethodChoiceWarning, explain, perform_attribution, perform_feature_visualization
from metannvis_methods.results import plotter
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate.frameworks.requirements import require


def categorical(classes: list[int]) -> Any:
    require("tensorflow")
    return import_quietly("tf_keras_vis.utils.scores").CategoricalScore(classes)


@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_the_call_of_the_report_works_as_written(digits: Any) -> None:
    torch = require("torch")
    CategoricalScore = categorical
    torch_model, x, y = digits.torch, torch.from_numpy(digits.x).float(), torch.tensor([1, 0, 3, 2])
    found = perform_attribution(
        torch_model,
        method_key="grad_cam",
        toolset="tf-keras-vis",
        init_args={"layer": torch_model.conv2},
        exec_args={"score": CategoricalScore(y.tolist()), "seed_input": x, "normalize_cam": False},
    )
    assert isinstance(found, np.ndarray)
    cls = import_quietly("tf_keras_vis.gradcam").Gradcam
    direct = cls(digits.keras)(
        categorical([1, 0, 3, 2]),
        digits.x_last.astype("float32"),
        penultimate_layer="conv2",
        seek_penultimate_conv_layer=False,
        normalize_cam=False,
    )
    assert found.shape == direct.shape == (4, 8, 8)
    assert np.abs(found - direct).max() <= 1e-5 * np.abs(direct).max()


@pytest.mark.parametrize("form", ["numpy", "list", "torch", "tensorflow", "tuple", "dict"])
def test_values_in_any_form(form: str, rgb: Any) -> None:
    torch, tf = require("torch"), require("tensorflow")
    x = rgb.x.astype("float32")
    given = {
        "numpy": x,
        "list": x.tolist(),
        "torch": torch.from_numpy(x),
        "tensorflow": tf.constant(x.transpose(0, 2, 3, 1)),  # the target's own tensors lie as the target's do
        "tuple": (x,),
        "dict": {"x": x},
    }[form]
    dummy = {"dummy_input": x} if form == "tensorflow" else {}
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
    found = explain(rgb.torch, "saliency", given, translation=dummy, **words)
    expected = explain(rgb.torch, "saliency", x, **words)
    values = found.values[0] if form in ("tuple", "dict") else found.values
    inputs = found.inputs[0] if form in ("tuple", "dict") else found.inputs
    assert isinstance(found.values, tuple) == (form in ("tuple", "dict"))
    assert np.allclose(values, expected.values, rtol=1e-5, atol=1e-9)
    assert np.array_equal(np.asarray(inputs, "float32"), x)


def test_the_target_in_any_form(rgb: Any) -> None:
    names = ["ant", "bee", "cat", "dog", "eel"]

    def run(target: Any, **words: Any) -> Any:
        return explain(rgb.torch, "saliency", rgb.x, target=target, toolset="captum", **words)

    expected = run(2)
    assert expected.target == 2
    for same in (np.int64(2), [2] * 4, np.full(4, 2)):
        assert np.array_equal(run(same).values, expected.values)
    found = run("cat", labels=names)
    assert (found.target, found.labels) == (2, tuple(names))
    assert np.array_equal(found.values, expected.values)
    predicted = run(None)
    outputs = rgb.torch(require("torch").from_numpy(rgb.x).float()).detach().numpy()
    assert predicted.target == outputs.argmax(axis=1).tolist()
    assert np.array_equal(predicted.values, run(outputs.argmax(axis=1)).values)
    assert explain(rgb.torch, "saliency", rgb.x[:1], toolset="captum").target == int(outputs[0].argmax())


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_batch_may_be_cut_up(size: int, toolset: str, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if toolset == "captum" else (rgb.keras, rgb.x_last)
    words: dict[str, Any] = {"target": [1, 0, 3, 2], "toolset": toolset}
    calls: list[tuple[int, int, str]] = []
    whole = explain(model, "saliency", x, **words)
    parts = explain(model, "saliency", x, batch_size=size, progress=lambda *a: calls.append(a), **words)
    assert np.allclose(parts.values, whole.values, rtol=1e-4, atol=1e-6)
    assert calls == [(done, 4, "run") for done in ([0, 1, 2, 3, 4] if size == 1 else [0, 3, 4])]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("integrated_gradients", {"n_steps": 4}),
        ("layer_conductance", {"n_steps": 4, "layer": "conv2"}),
        ("feature_ablation", {"feature_mask": np.arange(64).reshape(1, 1, 8, 8) // 8}),
        ("layer_feature_ablation", {"layer": "conv2"}),
        ("deep_lift", {"baselines": "own"}),
    ],
)
def test_batches_of_the_methods_that_make_copies(key: str, words: dict[str, Any], size: int, digits: Any) -> None:
    if words.get("baselines") == "own":
        words = {**words, "baselines": digits.x * 0.5}
    words = {**words, "target": [1, 0, 3, 2], "toolset": "captum"}
    whole = explain(digits.torch64, key, digits.x, **words)
    parts = explain(digits.torch64, key, digits.x, batch_size=size, **words)
    assert np.allclose(parts.values, whole.values, rtol=1e-9, atol=1e-12)
    if whole.convergence_delta is not None:
        assert np.allclose(parts.convergence_delta, whole.convergence_delta, atol=1e-9)


def test_convergence_is_reported(digits: Any) -> None:
    found = explain(digits.torch64, "integrated_gradients", digits.x, target=1, n_steps=20, toolset="captum")
    assert found.convergence_delta.shape == (4,)
    values = perform_attribution(digits.torch64, "integrated_gradients", exec_args={"inputs": digits.x, "target": 1})
    assert isinstance(values, np.ndarray)
    exec_args = {"inputs": digits.x, "target": 1, "return_convergence_delta": True}
    values, delta = perform_attribution(digits.torch64, "integrated_gradients", exec_args=exec_args)
    assert (values.shape, delta.shape) == (digits.x.shape, (4,))
    shap = {"baselines": digits.x[:2], "n_samples": 3, "seed": 0}
    assert explain(digits.torch64, "gradient_shap", digits.x, target=1, **shap).convergence_delta.shape == (4,)


def test_options_are_recorded(digits: Any) -> None:
    found = explain(digits.torch, "saliency", digits.x, target=1, toolset="captum", abs=False, seed=4)
    assert found.options == {"abs": False, "seed": 4}
    assert found.seconds > 0
    assert (found.framework, found.kind, found.translation) == ("torch", "primary", None)


def test_several_inputs_give_several_maps() -> None:
    torch = require("torch")

    class Two(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 2), torch.nn.Linear(4, 2)

        def forward(self, a: Any, b: Any) -> Any:
            return torch.relu(self.a(a)) + self.b(b)

    x = (np.ones((2, 3)), np.ones((2, 4)))
    found = explain(Two(), "saliency", x, target=1, toolset="captum")
    assert [v.shape for v in found.values] == [(2, 3), (2, 4)]
    assert found.axes == ("NF", "NF")
    more = explain(Two(), "saliency", x[0], target=1, toolset="captum", additional_forward_args=x[1])
    assert np.array_equal(more.values, found.values[0]) or more.values.shape == (2, 3)
    visual = explain(Two(), "saliency", x, target=1, toolset="tf-keras-vis", keepdims=True, normalize_map=False)
    assert [v.shape for v in visual.values] == [(2, 3), (2, 4)]


def test_a_model_without_several_outputs_needs_no_target() -> None:
    nn = require("torch").nn
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = np.ones((2, 3))
    for toolset, words in (("captum", {}), ("tf-keras-vis", {"keepdims": True, "normalize_map": False})):
        found = explain(net, "saliency", x, toolset=toolset, **words)
        assert found.target is None
        assert found.values.shape == (2, 3)


def test_a_position_in_a_dense_output() -> None:
    nn = require("torch").nn
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 2, 1))
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 6, 8)).astype("float32")
    for target in ((1, 4, 5), [(1, 4, 5), (0, 2, 7)]):
        own = explain(net, "saliency", x, target=target, toolset="captum")
        words = {"toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
        other = explain(net, "saliency", x, target=target, **words)
        assert np.allclose(own.values, other.values, rtol=1e-4, atol=1e-7)
        where = np.argwhere(own.values[0].sum(axis=0) > 0)
        assert where.min(axis=0).tolist() == [3, 4]


def test_activation_maximization_makes_one_input_a_target(rgb: Any) -> None:
    words: dict[str, Any] = {"steps": 3, "input_range": (0.0, 1.0)}
    steps: list[tuple[int, int, str]] = []
    found = explain(
        rgb.torch,
        "activation_maximization",
        target=[0, 3, 4],
        seed=1,
        translation={"dummy_input": rgb.x},
        progress=lambda *a: steps.append(a),
        **words,
    )
    assert found.values.shape == (3, 3, 20, 28)
    assert (found.axes, found.kind, found.inputs) == ("NCHW", "feature_visualization", None)
    assert 0 <= found.values.min() < found.values.max() <= 1
    assert steps[-1] == (3, 3, "ascent")
    exec_args = {"score": categorical([0]), "seed_input": rgb.x, **words}
    images = perform_feature_visualization(rgb.torch, "activation_maximization", exec_args=exec_args)
    assert images.shape == rgb.x.shape


def test_activation_maximization_of_inputs_that_are_no_images() -> None:
    keras = require("keras")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)])
    found = explain(model, "activation_maximization", target=1, steps=3, seed=0, input_range=(-1.0, 1.0))
    assert found.values.shape == (1, 5)


def test_a_softmax_is_taken_off_in_whatever_form_it_comes(digits: Any) -> None:
    keras = require("keras")
    linear = import_quietly("tf_keras_vis.utils.model_modifiers").ReplaceToLinear
    x = digits.x_last
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
    expected = explain(digits.keras, "saliency", x, **words).values
    logits = digits.keras
    separate = keras.Model(logits.inputs, keras.layers.Softmax()(logits.outputs[0]))
    dense = keras.layers.Dense(10, activation="softmax")
    fused = keras.Model(logits.inputs, dense(logits.get_layer("flatten").output))
    dense.set_weights(logits.get_layer("fc").get_weights())
    nested = keras.Sequential([keras.Input((8, 8, 1)), separate])
    for model in (separate, fused, nested):
        found = explain(model, "saliency", x, init_args={"model_modifier": linear()}, **words)
        assert np.allclose(found.values, expected, rtol=1e-4, atol=1e-6)
        assert not np.allclose(explain(model, "saliency", x, **words).values, expected, rtol=1e-4, atol=1e-6)


def test_a_model_that_is_not_canonical_is_made_so(digits: Any, caplog: pytest.LogCaptureFixture) -> None:
    torch = require("torch")
    functional = torch.nn.functional

    class Functional(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self, twin: Any) -> None:
            super().__init__()
            self.conv1, self.conv2, self.fc = twin.conv1, twin.conv2, twin.fc

        def forward(self, x: Any) -> Any:
            x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
            return self.fc(torch.flatten(functional.relu(self.conv2(x)), 1))

    written, twin = Functional(digits.torch), digits.torch
    for key in ("guided_backprop", "deconvolution"):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="metannvis_methods"):
            found = explain(written, key, digits.x, target=1, toolset="captum")
        expected = explain(twin, key, digits.x, target=1, toolset="captum")
        assert "canonical form" in caplog.text
        assert found.translation["to"] == "torch"
        assert expected.translation is None
        assert np.abs(found.values - expected.values).max() <= 1e-5 * np.abs(expected.values).max()


def test_a_choice_is_said_and_points_at_the_callers_line(digits: Any) -> None:
    with pytest.warns(MethodChoiceWarning, match="took 'saliency' of 'captum'") as caught:
        explain(digits.torch, "saliency", digits.x, target=1)
    assert caught[0].filename == __file__
    with pytest.warns(MethodChoiceWarning, match="took 'saliency' of 'tf-keras-vis'") as caught:
        perform_attribution(digits.keras, "saliency", exec_args={"seed_input": digits.x_last, "target": 1})
    assert caught[0].filename == __file__


@pytest.mark.parametrize("suffix", [".keras", ".pt2", ".onnx"])
def test_a_model_may_be_a_file(suffix: str, digits: Any, tmp_path: Path) -> None:
    from metannvis_translate import save_model, translate

    path = tmp_path / f"net{suffix}"
    model, x = (digits.keras, digits.x_last) if suffix == ".keras" else (digits.torch, digits.x)
    if suffix == ".onnx":
        save_model(translate(model, "onnx", example_inputs=x.astype("float32")).model, path)
    else:
        save_model(model, path, example_inputs=x.astype("float32"))
    for toolset, words in (("captum", {}), ("tf-keras-vis", {"keepdims": True, "normalize_map": False})):
        found = explain(path, "saliency", x.astype("float32"), target=1, toolset=toolset, **words)
        expected = explain(model, "saliency", x, target=1, toolset=toolset, **words)
        assert found.framework == {".keras": "tensorflow", ".pt2": "torch", ".onnx": "onnx"}[suffix]
        assert np.abs(found.values - expected.values).max() <= 1e-5 * np.abs(expected.values).max()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def test_a_finished_translation_may_be_given(digits: Any) -> None:
    from metannvis_translate import translate

    t = translate(digits.torch, "tensorflow", example_inputs=digits.x.astype("float32"))
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis"}
    expected = explain(digits.torch, "saliency", digits.x, **words).values
    assert np.array_equal(explain(t, "saliency", digits.x, **words).values, expected)
    assert np.array_equal(explain(digits.torch, "saliency", digits.x, translation=t, **words).values, expected)
    native = explain(t, "saliency", digits.x, target=1, toolset="captum")
    assert native.translation is None


def test_plot_is_drawn_without_being_shown(digits: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[dict[str, Any]] = []

    class Entry:
        name = "default"

        def load(self) -> Any:
            return lambda result, **options: drawn.append(options)

    monkeypatch.setattr(plotter, "entry_points", lambda **_: (Entry(),))

    class Axes:
        def get_figure(self) -> None: ...

    axes = Axes()
    arguments = {"inputs": digits.x, "target": 1}
    for plot in (False, True, axes, tmp_path / "a.png"):
        perform_attribution(digits.torch, "saliency", "captum", exec_args=arguments, plot=plot)
    assert drawn == [{}, {"ax": axes}, {"path": tmp_path / "a.png"}]
