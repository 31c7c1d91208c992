"""TensorFlow graphs that are no Keras layer graph, through ``tf2onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_translate.errors import MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.requirements import is_installed, require

require("torch")  # before TensorFlow, see metannvis_translate.frameworks.require
tf = require("tensorflow")
keras = require("keras")

from metannvis_translate.frameworks.keras.plugin import framework  # noqa: E402

# tf2onnx and TensorFlow's own saving call what their dependencies have deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def convolutional(layers: Any) -> Any:
    return [
        layers.Input((9, 6, 3)),
        layers.Conv2D(4, 3, padding="same", strides=2, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


def saved_model(folder: Path) -> Any:
    keras.Sequential(convolutional(keras.layers)).export(str(folder / "saved"), verbose=False)
    return framework.load(folder / "saved", trust=False, architecture=None)


def keras_two(folder: Path) -> Any:
    two = require("tf_keras")
    return two.Sequential(convolutional(two.layers))


def function(folder: Path) -> Any:
    weight = tf.Variable(np.eye(3, dtype="float32") * 2)

    @tf.function(input_signature=[tf.TensorSpec((None, 3)), tf.TensorSpec((None, 3))])
    def run(x: Any, y: Any) -> Any:
        return {"a": tf.nn.relu(x @ weight) - y, "b": x + y}

    return run


class Module(tf.Module):
    """A module of the caller's own."""

    def __init__(self, function: Any = tf.tanh) -> None:
        super().__init__()
        self.weight = tf.Variable(np.ones((3, 3), "float32"))
        self.function = function

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def __call__(self, x: Any) -> Any:
        return self.function(x @ self.weight)


#: tf_keras is nobody's dependency; where it is installed, its models are tested.
MODELS = [saved_model, function, lambda folder: Module(), *([keras_two] if is_installed("tf_keras") else [])]


@pytest.mark.parametrize("make", MODELS)
def test_graph_computes_the_same(make: Any, tmp_path: Path, evaluate: Any) -> None:
    model = make(tmp_path)
    assert framework.detect(model)
    hub = framework.export(model, None, dtype=None, progress=lambda *a: None)
    assert framework.list_layers(model, None) == hub.layers == ()
    for batch in (1, 3):
        inputs = framework.example_inputs(model, batch, seed=0)
        run = framework.run(model, inputs, cotangents=[np.ones((batch, 3))] * len(hub.outputs))
        found = evaluate(hub, {port.value: x for port, x in zip(hub.inputs, inputs, strict=True)}, [])
        for port, expected in zip(hub.outputs, run.outputs, strict=True):
            np.testing.assert_allclose(found[port.value], expected, rtol=1e-5, atol=1e-6)
        assert run.gradients is not None
        assert [gradient.shape for gradient in run.gradients] == [x.shape for x in inputs]


def test_what_tf2onnx_cannot_do_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="Erfc"):
        framework.export(Module(tf.math.erfc), None, dtype=None, progress=lambda *a: None)
    with pytest.raises(UnsupportedOperatorError, match="double precision"):
        framework.export(Module(), None, dtype="float64", progress=lambda *a: None)


def test_function_without_signature() -> None:
    run = tf.function(lambda x: tf.nn.relu(x) * 2, autograph=False)
    with pytest.raises(MissingArgumentError, match="input_signature"):
        framework.export(run, None, dtype=None, progress=lambda *a: None)
    x = np.ones((2, 3), "float32")
    hub = framework.export(run, [x], dtype=None, progress=lambda *a: None)
    assert hub.inputs[0].shape == (None, 3)
