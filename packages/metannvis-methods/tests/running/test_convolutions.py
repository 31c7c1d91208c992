"""Every convolution, from deep to shallow, by one word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import MissingArgumentError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.conv2(torch.relu(self.conv1(x))))


def torch_model() -> tuple[Any, list[str]]:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(3, 4, 3, padding=1))
    model.add_module("block", Block(4))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(4, 5))
    return model.eval(), ["block.conv2", "block.conv1", "stem"]


def keras_model() -> tuple[Any, list[str]]:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(6, 3, name="inside")], name="inner")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
            inner,
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    return model, ["depthwise", "inner/inside", "first"]


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("make", [torch_model, keras_model])
def test_from_deep_to_shallow(make: Any, toolset: str) -> None:
    model, names = make()
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    images = images if make is keras_model else images.transpose(0, 3, 1, 2)
    found: Any = explain(model, "grad_cam", images, target=1, layer="convolutions", toolset=toolset)
    assert list(found) == names
    alone = explain(model, "grad_cam", images, target=1, layer=names[1], toolset=toolset)
    np.testing.assert_array_equal(found[names[1]].values, alone.values)
    assert found[names[1]].record.words["layer"] == names[1]  # of which each can be repeated


def test_of_an_onnx_model(tmp_path: Any) -> None:
    model, names = torch_model()
    images = np.random.default_rng(0).random((1, 3, 8, 8)).astype("float32")
    translate(model, "onnx", example_inputs=images).save(tmp_path / "net.onnx")
    found: Any = explain(tmp_path / "net.onnx", "grad_cam", images, target=1, layer="convolutions", toolset="captum")
    assert len(found) == len(names)


def test_a_layer_of_that_name_is_that_layer() -> None:
    model = nn.Sequential()
    model.add_module("convolutions", nn.Conv2d(3, 4, 3))
    model.add_module("flat", nn.Flatten())
    images = np.ones((1, 3, 4, 4), "float32")
    found = explain(model.eval(), "layer_activation", images, layer="convolutions", toolset="captum")
    assert found.layer == "convolutions"


def test_a_model_without_any() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    with pytest.raises(MissingArgumentError, match=r"no convolutional .*layer"):
        explain(model, "layer_activation", np.ones((1, 3, 2, 2), "float32"), layer="convolutions", toolset="captum")
