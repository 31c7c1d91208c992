"""The TensorFlow plug-in: what it recognises, runs, copies, lists, loads; and that it leaves the caller's model alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_translate.errors import (
    DamagedFileError,
    InvalidArgumentError,
    MissingArgumentError,
    UnknownLayerError,
    UnsupportedOperatorError,
    UntrustedModelError,
)
from metannvis_translate.frameworks.requirements import require

tf = require("tensorflow")
keras = require("keras")

from keras import layers as L  # noqa: E402
from metannvis_translate.frameworks.keras.plugin import flatten_model, framework  # noqa: E402


def nested() -> Any:
    inner_input = keras.Input((None, None, 3))
    y = L.Conv2D(3, 3, padding="same", activation="relu", name="conv1", activity_regularizer="l2")(inner_input)
    block = keras.Model(inner_input, L.BatchNormalization(name="norm")(y), name="block")
    x = keras.Input((9, 6, 3), name="image")
    y = keras.ops.multiply(block(block(x)), 0.1)
    y = L.Dropout(0.5, name="drop")(L.Flatten(name="flat")(y + np.full((9, 6, 3), 0.2, "float32")))
    return keras.Model(x, L.Dense(4, activation="softmax", name="out")(y), name="network")


@pytest.fixture
def model(randomized: Any) -> Any:
    return randomized(nested())


def fingerprint(model: Any) -> Any:
    layers = list(model._flatten_layers())
    return (
        [layer.get_config() for layer in layers if hasattr(layer, "get_config") and layer is not model],
        [
            (len(layer._inbound_nodes), len(layer._outbound_nodes), layer.dtype_policy.name, len(layer._losses))
            for layer in layers
        ],
        [np.asarray(weight).tobytes() for weight in model.weights],
        keras.config.floatx(),
        keras.config.dtype_policy().name,
    )


def product(model: Any) -> str:
    """Name that Keras gave to the multiplication."""
    return next(op.name for op in model.operations if type(op).__name__ == "Multiply")


def images(batch: int = 2) -> Any:
    return np.random.default_rng(3).normal(size=(batch, 9, 6, 3)).astype("float32")


def test_callers_model_stays_as_it_is(model: Any) -> None:
    before = fingerprint(model)
    x = images()
    framework.export(model, None, dtype=None, progress=lambda *a: None)
    framework.export(model, None, dtype="float64", progress=lambda *a: None)
    framework.run(model, [x], layers=["block/conv1", "out"], cotangents=[np.ones((2, 4))])
    framework.run(model, [x])
    framework.list_layers(model, None)
    framework.as_float64(model)
    flatten_model(model)
    framework.attach(model, "block/conv1:2")
    assert fingerprint(model) == before


def test_detects_without_importing() -> None:
    code = (
        "import sys; from metannvis_translate.frameworks.keras.plugin import framework as f\n"
        "print(f.detect(object()), f.detect(3), f.is_array([1]), 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 5


def test_detects(model: Any, tmp_path: Path) -> None:
    assert framework.detect(model)
    assert not framework.detect(L.Dense(2))
    assert not framework.detect(keras.Model)
    module = tf.Module()
    module.run = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None, 2))])
    assert not framework.detect(module)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.run)
    loaded = framework.load(tmp_path / "saved", trust=False, architecture=None)
    assert framework.detect(loaded)
    with pytest.raises(UnsupportedOperatorError, match="Keras 3 models only"):
        framework.as_float64(loaded)


def test_arrays() -> None:
    tensor = framework.from_numpy(np.ones(3))
    assert framework.is_array(tensor)
    assert framework.is_array(tf.Variable(tensor))
    assert framework.is_array(keras.Variable(tensor))
    assert framework.is_array(keras.KerasTensor((2,))) is False
    assert not framework.is_array(np.ones(3))
    np.testing.assert_array_equal(framework.to_numpy(tensor), np.ones(3))


def test_run_records_layers_and_gradients(model: Any) -> None:
    x = images()
    names = ["block/conv1", "block/norm:2", "block", "block:2", product(model), "out", "no such layer"]
    given = np.random.default_rng(0).normal(size=(2, 4))
    run = framework.run(model, [x], layers=names, cotangents=[given])
    assert set(run.layers) == set(names[:-1])
    block = model.get_layer("block")
    np.testing.assert_array_equal(run.layers["block/conv1"], np.asarray(block.get_layer("conv1")(x)))
    np.testing.assert_array_equal(run.layers["block:2"], np.asarray(block(block(x))))
    np.testing.assert_array_equal(run.layers["out"], run.outputs[0])
    np.testing.assert_array_equal(run.outputs[0], np.asarray(model(x, training=False)))
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(model(tensor, training=False) * tf.cast(given, "float32"))
    assert run.gradients is not None
    np.testing.assert_allclose(run.gradients[0], tape.gradient(total, tensor), rtol=1e-5, atol=1e-7)
    again = framework.run(model, [x], cotangents=[given])
    np.testing.assert_allclose(again.gradients[0], run.gradients[0], rtol=1e-5, atol=1e-7)


def test_gradient_of_an_integer_input_is_none() -> None:
    x, n = keras.Input((2,)), keras.Input((2,), dtype="int32")
    model = keras.Model([x, n], x * keras.ops.cast(n, "float32"))
    inputs = framework.example_inputs(model, 3, seed=0)
    run = framework.run(model, inputs, cotangents=[np.ones((3, 2))])
    assert run.gradients is not None
    assert run.gradients[1] is None
    np.testing.assert_array_equal(run.gradients[0], inputs[1])
    with pytest.raises(InvalidArgumentError, match="takes 2 inputs"):
        framework.run(model, inputs[:1])


def test_as_float64(model: Any) -> None:
    copy = framework.as_float64(model)
    assert {weight.dtype for weight in copy.weights} == {"float64"}
    x = images()
    out = np.asarray(copy(x.astype("float64")))
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, np.asarray(model(x)), rtol=1e-4, atol=1e-6)
    names = [info.name for info in framework.list_layers(model, None)]
    assert names == [info.name for info in framework.list_layers(copy, None)]
    run = framework.run(copy, [x], layers=names)
    assert {array.dtype for array in run.layers.values()} == {np.dtype("float64")}


def test_as_float64_with_functions_and_classes_of_the_callers_own() -> None:
    def mine(x: Any) -> Any:
        return keras.ops.relu(x) * 0.3

    class Shift(L.Layer):
        def call(self, x: Any) -> Any:
            return x + 0.1

    x = keras.Input((4,))
    model = keras.Model(x, Shift()(L.Dense(3, activation=mine)(x)))
    value = np.ones((2, 4))
    np.testing.assert_allclose(np.asarray(framework.as_float64(model)(value)), np.asarray(model(value)), rtol=1e-6)


def test_as_float64_of_what_cannot_be_rebuilt() -> None:
    class Odd(keras.Model):
        def __init__(self, thing: Any) -> None:
            super().__init__()
            self.thing = thing

        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UnsupportedOperatorError, match=r"double precision.*get_config"):
        framework.as_float64(Odd(object()))


def test_list_layers(model: Any) -> None:
    rows = framework.list_layers(model, None)
    assert [row.name for row in rows] == [
        "block/conv1", "block/norm", "block", "block/conv1:2", "block/norm:2", "block:2", "flat", "drop", "out",
    ]  # fmt: skip
    assert {row.name: (row.kind, row.shape, row.axes, row.parent) for row in rows[2:]} == {
        "block": ("Functional", (None, 9, 6, 3), "NHWC", True),
        "block/conv1:2": ("Conv2D", (None, 9, 6, 3), "NHWC", False),
        "block/norm:2": ("BatchNormalization", (None, 9, 6, 3), "NHWC", False),
        "block:2": ("Functional", (None, 9, 6, 3), "NHWC", True),
        "flat": ("Flatten", (None, 162), "NF", False),
        "drop": ("Dropout", (None, 162), "NF", False),
        "out": ("Dense", (None, 4), "NF", False),
    }


def test_list_layers_tells_axes_apart() -> None:
    x = keras.Input((3, 9, 6))
    y = L.ReLU(name="relu")(L.Permute((2, 3, 1), name="last")(L.BatchNormalization(axis=1, name="norm")(x)))
    y = L.GlobalAveragePooling2D(name="mean")(L.Conv2D(4, 2, name="conv")(y))
    line = keras.Input((9, 2))
    z = L.GlobalMaxPooling1D(name="max")(L.Conv1D(4, 2, name="conv1")(line))
    rows = framework.list_layers(keras.Model([x, line], [L.Concatenate(name="both")([y, z])]), None)
    assert {row.name: row.axes for row in rows} == {
        "norm": "NCHW", "last": "NHWC", "relu": "NHWC", "conv": "NHWC", "mean": "NC", "conv1": "NLC", "max": "NC", "both": "NC",
    }  # fmt: skip


def test_example_inputs(model: Any) -> None:
    first, again = framework.example_inputs(model, 3, seed=1), framework.example_inputs(model, 3, seed=1)
    assert first[0].shape == (3, 9, 6, 3)
    np.testing.assert_array_equal(first[0], again[0])

    class Bare(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(MissingArgumentError, match="example_inputs"):
        framework.example_inputs(Bare(), 1, seed=0)


def test_flatten_model(model: Any) -> None:
    flat, layers = flatten_model(model)
    assert not any(hasattr(layer, "_nodes_by_depth") for layer in flat.layers)
    x = images(5)
    np.testing.assert_array_equal(np.asarray(flat(x)), np.asarray(model(x)))
    run = framework.run(model, [x], layers=list(layers))
    views = keras.Model(flat.inputs, [layers[name].output for name in run.layers])
    for name, value in zip(run.layers, views([x]), strict=True):
        np.testing.assert_array_equal(np.asarray(value), run.layers[name], err_msg=name)
    kernel = model.get_layer("block").get_layer("conv1").kernel
    assert layers["block/conv1"].kernel is kernel
    np.testing.assert_array_equal(np.asarray(layers["block/conv1:2"].kernel), np.asarray(kernel))
    copy = keras.models.clone_model(flat)  # what tf-keras-vis does with it
    copy.set_weights(flat.get_weights())
    np.testing.assert_array_equal(np.asarray(copy(x)), np.asarray(model(x)))


@pytest.mark.parametrize("name", ["block/norm", "block/norm:2", "block", "multiply", "out"])
def test_attach(model: Any, name: str) -> None:
    name = product(model) if name == "multiply" else name
    x = images()
    attached, layer = framework.attach(model, name)
    value = keras.Model(attached.inputs, layer.output)([x])
    np.testing.assert_array_equal(np.asarray(value), framework.run(model, [x], layers=[name]).layers[name])
    np.testing.assert_array_equal(np.asarray(attached(x)), np.asarray(model(x)))


def test_attach_to_a_flat_model_is_the_model_itself() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="out")(x))
    assert framework.attach(model, "out") == (model, model.get_layer("out"))
    with pytest.raises(UnknownLayerError, match="'out'"):
        framework.attach(model, "uot")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files(model: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    if suffix == ".h5":
        model = keras.Sequential([keras.Input((9, 6, 3)), L.Flatten(), L.Dense(2)])
    framework.save(model, path, inputs=None)
    x = images()
    loaded = framework.load(path, trust=False, architecture=None)
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_needs_trust(tmp_path: Path, suffix: str) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Lambda(lambda v: v * 2, output_shape=(4,))(x))
    path = tmp_path / f"model{suffix}"
    framework.save(model, path, inputs=None)
    with pytest.raises(UntrustedModelError, match="trust=True"):
        framework.load(path, trust=False, architecture=None)
    loaded = framework.load(path, trust=True, architecture=None)
    np.testing.assert_array_equal(np.asarray(loaded(np.ones((1, 4), "float32"))), np.full((1, 4), 2.0))


def test_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"no zip file")
    with pytest.raises(DamagedFileError, match=r"model\.keras"):
        framework.load(path, trust=False, architecture=None)
