"""Keras models whose layers have the channels first: what toolkits make of them equals what they make of a channels-last twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
keras: Any = require("keras")
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 8, 10)).astype(np.float32)
METHODS = ["saliency", "grad_cam", "score_cam", "layer_cam", "grad_cam++"]


def network(images: str) -> Any:
    """A small network, its weights drawn from a seed."""
    first = images == "channels_first"
    x = inputs = keras.Input((3, 8, 10) if first else (8, 10, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", data_format=images, name="conv")(x)
    x = keras.layers.MaxPooling2D(2, data_format=images)(x)
    x = keras.layers.GlobalAveragePooling2D(data_format=images)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.standard_normal(weight.shape) * 0.5)
    return model


@pytest.fixture
def set_to_channels_first() -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize("toolset", ["tf-keras-vis", "captum"])
@pytest.mark.parametrize("method", METHODS)
def test_maps_equal_those_of_a_twin(method: str, toolset: str) -> None:
    if toolset == "captum" and method not in ("saliency", "grad_cam"):
        method = "integrated_gradients"
    layer = {"layer": "conv"} if "cam" in method else {}
    options: dict[str, Any] = {"target": 1, "toolset": toolset, **layer}
    ours = explain(network("channels_first"), method, IMAGES, **options)
    twin = explain(network("channels_last"), method, np.moveaxis(IMAGES, 1, -1), **options)
    expected = twin.values if "C" not in twin.axes else np.moveaxis(twin.values, -1, 1)
    assert [ours.axes.replace("C", ""), ours.input_axes] == [twin.axes.replace("C", ""), "NCHW"]
    np.testing.assert_allclose(ours.values, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("set_to_channels_first")
def test_translations_to_keras_do_not_depend_on_its_setting() -> None:
    torch = require("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    translation = translate(net.eval(), "keras", example_inputs=IMAGES)
    assert translation.report is not None and translation.report.passed
    assert keras.config.image_data_format() == "channels_first"
    assert translation.model.inputs[0].shape == (None, 8, 10, 3)
