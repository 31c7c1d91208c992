"""PyTorch and Captum installed, TensorFlow not. For `tox -e torch-only`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from metannvis_methods import explain, list_methods
from metannvis_translate import MissingFrameworkError, list_layers, translate


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    flat = (torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 5, 3))
    return torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), *flat).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 2, 6, 5, generator=torch.Generator().manual_seed(1))


def test_this_is_that_environment():
    assert find_spec("tensorflow") is None
    assert find_spec("keras") is None


def test_captum_explains_a_pytorch_model(net, images):
    leaf = images.clone().requires_grad_()
    net(leaf)[:, 1].sum().backward()

    explanation = explain(net, "saliency", images, target=1, toolset="captum")

    np.testing.assert_allclose(explanation.values, leaf.grad.abs().numpy(), rtol=1e-6)
    assert explanation.toolset == "captum"


def test_a_layer_method_works(net, images):
    explanation = explain(net, "layer_activation", images, layer="0")
    np.testing.assert_allclose(explanation.values, net[0](images).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_it_translates_to_what_is_there(net, images, to):
    assert translate(net, to, example_inputs=images).report.passed


def test_its_layers_and_all_methods_are_listed(net, images):
    assert [layer.name for layer in list_layers(net, example_inputs=images)] == ["0", "1", "2", "3"]
    assert {row.toolset for row in list_methods()} >= {"captum", "tf-keras-vis"}


def test_translating_to_keras_says_what_to_install(net, images):
    with pytest.raises(MissingFrameworkError, match=r"pip install .?metannvis-translate\[tensorflow\]") as caught:
        translate(net, "keras", example_inputs=images)
    assert "\n" not in str(caught.value)


def test_the_other_toolkit_says_what_to_install(net, images):
    with pytest.raises(MissingFrameworkError, match=r"pip install .?metannvis-methods\[tf-keras-vis\]") as caught:
        explain(net, "grad_cam", images, target=1, layer="0", toolset="tf-keras-vis")
    assert "\n" not in str(caught.value)
