"""TensorFlow and tf-keras-vis installed, PyTorch not. For `tox -e tensorflow-only`."""

from __future__ import annotations

from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf
from metannvis_methods import explain, list_methods
from metannvis_translate import MissingFrameworkError, list_layers, translate


@pytest.fixture
def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 5, 2), name="image")
    value = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    value = keras.layers.ReLU(name="relu")(value)
    value = keras.layers.Flatten(name="flat")(value)
    return keras.Model(image, keras.layers.Dense(3, name="dense")(value))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, 6, 5, 2), dtype=np.float32)


def test_this_is_that_environment():
    assert find_spec("torch") is None
    assert find_spec("captum") is None


def test_tf_keras_vis_explains_a_keras_model(net, images):
    leaf = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(leaf)
        score = net(leaf)[:, 1]
    expected = tf.abs(tape.gradient(score, leaf)).numpy()

    explanation = explain(net, "saliency", images, target=1, toolset="tf-keras-vis", keepdims=True, normalize_map=False)

    np.testing.assert_allclose(explanation.values, expected, rtol=1e-5)
    assert explanation.toolset == "tf-keras-vis"


@pytest.mark.parametrize("to", ["onnx", "keras"])
def test_it_translates_to_what_is_there(net, images, to):
    assert translate(net, to, example_inputs=images).report.passed


def test_its_layers_and_all_methods_are_listed(net):
    assert {"conv", "relu", "flat", "dense"} <= {layer.name for layer in list_layers(net)}
    assert {row.toolset for row in list_methods()} >= {"captum", "tf-keras-vis"}


def test_translating_to_pytorch_says_what_to_install(net, images):
    with pytest.raises(MissingFrameworkError, match=r"pip install .?metannvis-translate\[torch\]") as caught:
        translate(net, "torch", example_inputs=images)
    assert "\n" not in str(caught.value)


def test_the_other_toolkit_says_what_to_install(net, images):
    with pytest.raises(MissingFrameworkError, match=r"pip install .?metannvis-methods\[captum\]") as caught:
        explain(net, "integrated_gradients", images, target=1, toolset="captum")
    assert "\n" not in str(caught.value)
