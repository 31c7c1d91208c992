"""The classes of nn_interpretability: each gives what ``explain`` does with the words that its name stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from metannvis_methods import SmoothGrad, classic, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.maps import end_points, resized

#: Of the networks of these tests.
NAMES = [f"digit {k}" for k in range(10)]


@dataclass(frozen=True)
class Row:
    """A class, what it is constructed with behind model, classes and preprocessing, and the words of ``explain`` it means."""

    cls: str
    given: dict[str, Any] = field(default_factory=dict)
    method: str = ""
    words: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    tolerance: float = 1e-9


LRP = {"toolset": "zennit"}
BOX = {"conv1": {"z_box": {"low": -1.0, "high": 1.0}}}
DEEP_LIFT = {
    "NoRule": ("saliency", {"toolset": "captum", "abs": False}),
    "Rescale": ("deep_lift", {"toolset": "captum", "baselines": 0.1}),
    "RevealCancel": ("deep_lift_reveal_cancel", {"toolset": "metannvis", "baselines": 0.1}),
    "LinearRescale": ("deep_lift_linear", {"toolset": "metannvis", "baselines": 0.1}),
    "LinearRevealCancel": ("deep_lift_reveal_cancel", {"toolset": "metannvis", "baselines": 0.1}),
}
GRADIENT = {"toolset": "captum", "abs": False}
ROWS = (
    Row("VanillaBackprop", {}, "saliency", GRADIENT),
    Row("SmoothGrad", {"noise_level": 0.3, "number_samples": 4}, "saliency", {**GRADIENT, "noise": SmoothGrad(4, 0.3)}),
    Row("GuidedBackprop", {}, "guided_backprop", {"toolset": "captum"}),
    Row(
        "GuidedBackprop",
        {"smooth": True, "noise_level": 0.8, "number_samples": 3},
        "guided_backprop",
        {"toolset": "captum", "noise": SmoothGrad(3, 0.8)},
        "smooth",
    ),
    Row(
        "IntegratedGrad",
        {"baseline": 0.2, "steps": 8},
        "integrated_gradients",
        {"toolset": "captum", "baselines": 0.2, "n_steps": 8},
    ),
    Row(
        "IntegratedGrad",
        {"baseline": 0.2, "steps": 8, "smooth": True},
        "integrated_gradients",
        {"toolset": "captum", "baselines": 0.2, "n_steps": 8, "noise": SmoothGrad(10, 0.2)},
        "smooth",
    ),
    Row("Deconvolution", {"layer": "conv2"}, "deconvnet", {"toolset": "metannvis", "layer": "conv2"}),
    Row("Deconvolution", {}, "deconvnet", {"toolset": "metannvis", "layer": "conv2"}, "last"),
    *(
        Row("DeepLIFT", {"rule": classic.DeepLIFTRules[name], "baseline": 0.1}, method, words, name)
        for name, (method, words) in DEEP_LIFT.items()
    ),
    Row("LRP0", {}, "lrp", {**LRP, "composite": "zero", "rules": BOX}),
    Row("LRP0", {"input_z_beta": False}, "lrp", {**LRP, "composite": "zero"}, "plain"),
    Row("LRP0", {"visualize_layer": "conv2"}, "layer_lrp", {**LRP, "composite": "zero", "layer": "conv2"}, "layer"),
    Row(
        "LRPEpsilon",
        {"epsilon": 0.1, "low": -2.0, "high": 3.0},
        "lrp",
        {**LRP, "composite": {"epsilon": 0.1}, "rules": {"conv1": {"z_box": {"low": -2.0, "high": 3.0}}}},
    ),
    Row("LRPGamma", {}, "lrp", {**LRP, "composite": {"gamma": 0.25}, "rules": BOX}),
    Row("LRPAlphaBeta", {"alpha": 2, "beta": 1}, "lrp", {**LRP, "composite": {"alpha_beta": 2.0}, "rules": BOX}),
    Row(
        "LRPMix",
        {"alpha": 1, "beta": 0, "input_z_beta": False},
        "lrp",
        {**LRP, "composite": "z_plus", "rules": {"conv2": {"epsilon": 1e-6}, "fc": "zero"}},
    ),
    Row(
        "OcclusionSensitivity",
        {"input_size": (8, 8), "block_size": (4, 2), "fill_value": 0.5},
        "occlusion",
        {"toolset": "captum", "sliding_window_shapes": (1, 4, 2), "strides": (1, 4, 2), "baselines": 0.5},
        tolerance=1e-6,  # Captum adds the windows up in single precision
    ),
)
#: Classes whose end points have tests of their own below.
APART = ("SaliencyMap", "CAMInterpreter", "GradCAMInterpreter", "DeconvolutionPartialReconstruction")
#: Those that have files of tests of their own: test_classic_images.py, test_classic_uncertainty.py.
ELSEWHERE = ("ActivationMaximization", "ActivationMaximizationCodespace", "DeepDream", "Evidential_DL", "MC_Dropout")


def image_of(twins: Any, framework: str) -> tuple[Any, np.ndarray]:
    return (twins.torch64, twins.x[:1]) if framework == "torch" else (twins.keras64, twins.x_last[:1])


def made(cls: str, model: Any, classes: Any = None, preprocess: Any = None, **given: Any) -> Any:
    return getattr(classic, cls)(model, classes, preprocess, seed=0, unfit="ignore", **given)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.cls}-{row.id}".removesuffix("-"))
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_it_is_what_explain_gives(row: Row, framework: str, digits: Any) -> None:
    model, x = image_of(digits, framework)
    words = dict(row.words)
    if row.cls == "OcclusionSensitivity" and framework == "tensorflow":  # windows lie as the caller's images do
        words |= {"sliding_window_shapes": (4, 2, 1), "strides": (4, 2, 1)}
    double = {"translation": {"dtype": "float64"}}
    expected = explain(model, row.method, x, seed=0, unfit="ignore", **words, **double)
    interpreter = made(row.cls, model, NAMES, **row.given, **double)
    assert interpreter.last_prediction() == -1
    found = interpreter.interpret(x)
    values = end_points(expected.values) if interpreter.normalize else expected.values
    scale = np.abs(values).max()
    assert scale > 0
    np.testing.assert_allclose(found, values, rtol=0, atol=row.tolerance * scale)
    assert interpreter.explanation.labels == tuple(NAMES)
    assert interpreter.last_prediction() == expected.prediction[0]["class"]


def test_every_class_is_tested() -> None:
    named = {row.cls for row in ROWS} | set(APART) | set(ELSEWHERE) | {"Interpreter", "DeepLIFTRules"}
    assert named == set(classic.__all__)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_class_activation_maps_are_enlarged_and_brought_to_0_and_1(framework: str, rgb: Any) -> None:
    model, x = image_of(rgb, framework)
    words = {"layer": "conv2", "toolset": "captum", "relu_attributions": True, "target": 1, "unfit": "ignore"}
    expected = explain(model, "grad_cam", x, **words).values
    expected = expected.squeeze(1 if framework == "torch" else 3)
    found = made("GradCAMInterpreter", model, target=1, input_size=(20, 28), conv_layer_name="conv2").interpret(x)
    assert (found.min(), found.max()) == (0, 1)
    np.testing.assert_allclose(found.reshape(1, 20, 28), end_points(resized(expected, (1, 20, 28))), rtol=0, atol=1e-6)


def test_cam_of_a_network_with_pooling() -> None:
    from .toolsets.metannvis.networks import inputs, torch_network

    model, x = torch_network("image"), inputs("image", 1)
    expected = explain(model, "cam", x, toolset="metannvis", layer="1").values
    interpreter = made("CAMInterpreter", model, input_size=(16, 12), conv_layer_name="1", normalize=False)
    np.testing.assert_allclose(interpreter.interpret(x), expected.reshape(interpreter.interpret(x).shape), rtol=1e-12)
    assert 0 < interpreter.last_probability() <= 1


@pytest.mark.parametrize("overlay", [False, True])
def test_saliency_map(overlay: bool, rgb: Any) -> None:
    gradient = explain(rgb.torch64, "saliency", rgb.x[:1], toolset="captum", abs=False).values.max(1)
    expected = gradient[:, None] * rgb.x[:1] if overlay else gradient
    found = made("SaliencyMap", rgb.torch64, image_overlay=overlay).interpret(rgb.x[:1])
    np.testing.assert_allclose(found, end_points(expected), atol=1e-12)


@pytest.mark.parametrize("number", [2, "conv2"])
def test_a_reconstruction_of_every_filter(number: Any, digits: Any) -> None:
    interpreter = made("DeconvolutionPartialReconstruction", digits.torch64, layer_number=number)
    found = interpreter.interpret(digits.x[:1])
    assert len(found) == 8
    words = {"toolset": "metannvis", "layer": "conv2", "unfit": "ignore"}
    expected = explain(digits.torch64, "deconvnet", digits.x[:1], channel=5, **words).values
    np.testing.assert_allclose(found[5], end_points(expected), atol=1e-12)
    with pytest.raises(InvalidArgumentError, match="no convolution 3: conv1, conv2"):
        made("DeconvolutionPartialReconstruction", digits.torch64, layer_number=3).interpret(digits.x[:1])


def test_end_points() -> None:
    array = np.array([[[-1.0, 3.0]], [[2.0, 2.0]]])
    assert end_points(array).tolist() == [[[0, 1]], [[0, 0]]]


def test_preprocessing_by_a_function_or_by_a_word(digits: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    by_function = made("VanillaBackprop", digits.torch64, None, lambda image: image[None, None] / 255.0)
    by_word = made("VanillaBackprop", digits.torch64, None, "unit")
    np.testing.assert_allclose(by_function.interpret(pixels), by_word.interpret(pixels[None, ..., None]), atol=1e-6)


def test_classes_may_be_a_number_as_relevance_takes_them(digits: Any) -> None:
    predicted = made("LRPGamma", digits.torch64, "predicted")
    other = (predicted.interpret(digits.x[:1]) is None) or (predicted.get_class() + 1) % 10
    found = made("LRPGamma", digits.torch64, other).interpret(digits.x[:1])
    np.testing.assert_array_equal(found, made("LRPGamma", digits.torch64, target=other).interpret(digits.x[:1]))
    assert np.abs(found - predicted.interpret(digits.x[:1])).max() > 1e-3


def test_an_explanation_of_each_class() -> None:
    from .toolsets.metannvis.networks import inputs, torch_network

    model, x = torch_network("image"), inputs("image", 1)
    interpreter = made("VanillaBackprop", model, ["cat", "dog", "bird"], target=None)
    found = interpreter.each_class(x)
    assert list(found) == ["cat", "dog", "bird"]
    assert [one.target for one in found.values()] == [0, 1, 2]
    expected = explain(model, "saliency", x, target=1, toolset="captum", abs=False).values
    np.testing.assert_array_equal(found["dog"].values, expected)
    seen = found["cat"].prediction[0]
    assert interpreter.last_probability() == seen["probability"]
    assert len(interpreter.each_image([x, x + 0.1])) == 2


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        ("VanillaBackprop", {"classes": "cat"}, "names of all classes"),
        ("VanillaBackprop", {"classes": 1, "target": 2}, "give one"),
        ("VanillaBackprop", {"layer": "conv1"}, "layer is none"),
        ("VanillaBackprop", {"stepps": 3}, "stepps is none"),
        ("GradCAMInterpreter", {}, "input_size"),
        ("DeepLIFT", {"rule": "Rescale"}, "LinearRescale"),
        ("LRPAlphaBeta", {"alpha": 2, "beta": 2}, "beta alpha"),
        ("LRP0", {"visualize_layer": 3}, "name of a layer"),
        ("OcclusionSensitivity", {"input_size": (8, 8), "block_size": (3, 2)}, "does not divide"),
        ("DeconvolutionPartialReconstruction", {"layer_number": 0}, "counts convolutions from 1"),
        ("SmoothGrad", {"number_samples": 0}, "samples"),
    ],
)
def test_what_cannot_be_is_refused_at_once(cls: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        made(cls, None, **given)


def test_one_image_at_a_time(digits: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"one image, shape \(1, …\), not \(4, 1, 8, 8\)"):
        made("VanillaBackprop", digits.torch64).interpret(digits.x)
    with pytest.raises(InvalidArgumentError, match="say which classes"):
        made("VanillaBackprop", digits.torch64).each_class(digits.x[:1])
