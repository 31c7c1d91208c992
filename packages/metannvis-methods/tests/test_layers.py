"""Naming a layer: names, objects, nested and composite ones, ``auto``, and the run that waits for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    LayerChoiceWarning,
    PendingExplanation,
    explain,
    finish_execution_with_layer,
    perform_attribution,
)
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, UnknownLayerError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require


def layer_output(torch: Any, model: Any, name: str, x: np.ndarray) -> np.ndarray:
    found = []
    hook = dict(model.named_modules())[name].register_forward_hook(lambda _m, _a, out: found.append(out))
    with torch.no_grad():
        model(torch.from_numpy(x))
    hook.remove()
    return np.asarray(found[0])


TORCH_NAMES = [
    "pad",
    "conv1",
    "norm",
    "relu1",
    "block",
    "block.conv1",
    "block.norm",
    "block.conv2",
    "conv2",
    "pool",
    "fc",
]
KERAS_NAMES = [name.replace(".", "/") for name in TORCH_NAMES]


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and float(np.abs(a - b).max() / np.abs(b).max()) < 1e-9


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_a_layer_of_a_pytorch_model_by_name_and_as_an_object(name: str, rgb: Any) -> None:
    expected = layer_output(require("torch"), rgb.torch64, name, rgb.x)
    module = dict(rgb.torch64.named_modules())[name]
    for layer in (name, module):
        found = explain(rgb.torch64, "activation", rgb.x, layer=layer, toolset="captum")
        assert found.layer == name
        assert np.array_equal(found.values, expected)


@pytest.mark.parametrize(("name", "twin"), list(zip(KERAS_NAMES, TORCH_NAMES, strict=True)))
def test_a_layer_of_a_keras_model_by_path_and_as_an_object(name: str, twin: str, rgb: Any) -> None:
    expected = layer_output(require("torch"), rgb.torch64, twin, rgb.x)
    expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    layer: Any = rgb.keras
    for part in name.split("/"):
        layer = layer.get_layer(part)
    for given in (name, layer):
        words = {"layer": given, "toolset": "captum", "translation": {"dtype": "float64"}}
        found = explain(rgb.keras, "layer_activation", rgb.x_last, **words)
        assert found.layer == name
        assert found.axes == ("NHWC" if expected.ndim == 4 else "NF")
        assert close(found.values, expected)


@pytest.mark.parametrize("layer", ["block", "block.conv1", "relu3", "object"])
def test_a_layer_of_a_pytorch_model_for_tf_keras_vis(layer: str, rgb: Any) -> None:
    given = rgb.torch.block if layer == "object" else layer
    words = {
        "toolset": "tf-keras-vis",
        "translation": {"dtype": "float64"},
        "expand_cam": False,
        "normalize_cam": False,
    }
    found = explain(rgb.torch, "grad_cam", rgb.x, target=1, layer=given, **words)
    name = "block" if layer == "object" else layer
    own = explain(rgb.torch64, "grad_cam", rgb.x, target=1, layer=name, toolset="captum", relu_attributions=True)
    assert found.layer == name
    assert found.axes == "NHW"
    assert close(found.values, own.values[:, 0])


@pytest.mark.parametrize("name", ["block/conv1", "block", "block/add"])
def test_a_nested_keras_layer_for_tf_keras_vis(name: str, rgb: Any) -> None:
    twin = {"block/conv1": "block.conv1", "block": "block", "block/add": "block"}[name]
    words = {"target": 1, "toolset": "tf-keras-vis", "expand_cam": False, "normalize_cam": False}
    found = explain(rgb.keras64, "grad_cam", rgb.x_last, layer=name, **words)
    own = explain(rgb.torch64, "grad_cam", rgb.x, target=1, layer=twin, toolset="captum", relu_attributions=True)
    assert found.layer == name
    assert found.translation is None
    assert close(found.values, own.values[:, 0])


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_auto_is_the_last_convolution(framework: str, toolset: str, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    assert explain(model, "grad_cam", x, target=0, layer="auto", toolset=toolset).layer == "conv2"


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_auto_passes_over_convolutions_behind_a_global_pooling(form: str, toolset: str) -> None:
    """As MobileNetV3 has them: a map of one place says nothing of where."""
    nn = require("torch").nn
    net: Any = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(5, 6, 1),
        nn.Flatten(),
        nn.Linear(6, 2),
    ).eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10)).astype("float32")
    named = explain(net, "grad_cam", x, target=0, layer="2", toolset=toolset)
    if form == "onnx":
        net = translate(net, "onnx", example_inputs=x).model
    found = explain(net, "grad_cam", x, target=0, layer="auto", toolset=toolset)
    assert form == "onnx" or found.layer == "2"
    assert found.values.shape == named.values.shape
    assert close(found.values, named.values)
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2)).eval()
    assert explain(pooled, "layer_activation", x, layer="auto", toolset="captum").layer == "1"  # there is no other


def test_cams_of_tf_keras_vis_default_to_auto(rgb: Any) -> None:
    assert explain(rgb.keras, "layer_cam", rgb.x_last, target=0, toolset="tf-keras-vis").layer == "conv2"


def test_auto_finds_nothing_in_a_model_without_such_layers() -> None:
    nn = require("torch").nn
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(MissingArgumentError, match="no convolutional or token layer; name one of: 0, 1, 2"):
        explain(net, "layer_conductance", np.ones((2, 3)), target=0, layer="auto")


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_an_unknown_layer_names_close_ones(framework: str, toolset: str, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    with pytest.raises(UnknownLayerError, match=r"no layer 'convv2'.*Close: .*'conv2'"):
        explain(model, "grad_cam", x, target=0, layer="convv2", toolset=toolset)


def test_a_layer_of_another_model_is_unknown(rgb: Any, digits: Any) -> None:
    with pytest.raises(UnknownLayerError):
        explain(rgb.torch, "grad_cam", rgb.x, target=0, layer=digits.torch.conv2, toolset="captum")
    with pytest.raises(UnknownLayerError):
        explain(
            rgb.keras, "grad_cam", rgb.x_last, target=0, layer=require("keras").layers.ReLU(), toolset="tf-keras-vis"
        )


def test_a_flat_layer_is_no_place_for_a_cam(digits: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'fc' returns shape .*needs one that has places"):
        explain(digits.keras, "grad_cam", digits.x_last, target=0, layer="fc", toolset="tf-keras-vis")


def test_explain_lists_the_layers_if_none_is_named(digits: Any) -> None:
    with pytest.raises(MissingArgumentError, match=r"needs layer=…; there are: conv1, relu1, pool, conv2"):
        explain(digits.torch, "layer_conductance", digits.x, target=0)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_run_waits_for_a_layer(framework: str, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    name = "block.conv1" if framework == "torch" else "block/conv1"
    arguments = {"inputs": x, "target": 3, "n_steps": 5}
    with pytest.warns(LayerChoiceWarning, match="finish_execution_with_layer"):
        pending = perform_attribution(model, "layer_conductance", exec_args=arguments)
    assert isinstance(pending, PendingExplanation)
    assert isinstance(pending.model, require("torch").nn.Module)
    (row,) = [row for row in pending.layers if row.source.name == name]
    assert row.source.kind in ("Conv2d", "Conv2D")
    assert row.source.shape[1:] == ((6, 10, 14) if framework == "torch" else (10, 14, 6))
    assert name in str(pending)
    expected = explain(model, "conductance", x, target=3, layer=name, n_steps=5, toolset="captum").values
    layer = model.block.conv1 if framework == "torch" else model.get_layer("block").get_layer("conv1")
    for given in (name, row, layer):
        found = finish_execution_with_layer(pending, given)
        assert isinstance(found, np.ndarray)
        assert np.array_equal(found, expected)
    with pytest.raises(UnknownLayerError):
        finish_execution_with_layer(pending, "nowhere")
    with pytest.raises(MissingArgumentError):
        finish_execution_with_layer(pending, None)
    with pytest.raises(InvalidArgumentError, match="no pending explanation"):
        finish_execution_with_layer(found, name)


def test_the_input_of_a_layer_is_not_mapped(digits: Any) -> None:
    words: dict[str, Any] = {"layer": "flatten", "toolset": "captum", "attribute_to_layer_input": True}
    native = explain(digits.torch, "layer_activation", digits.x, **words)
    assert native.values.shape == (4, 8, 2, 2)
    assert native.options == {"attribute_to_layer_input": True}
    with pytest.raises(InvalidArgumentError, match="name the layer before it"):
        explain(digits.keras, "layer_activation", digits.x_last, **words)
