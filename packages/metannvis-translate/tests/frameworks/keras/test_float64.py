"""Double precision of Keras models whose code asks for single precision: the two agree to the last digits of double."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate import check_equivalence, translate
from metannvis_translate.frameworks.keras.copy import as_float64
from metannvis_translate.frameworks.keras.run import run_model
from metannvis_translate.frameworks.requirements import require

tf = require("tensorflow")
keras = require("keras")
ops = keras.ops


def _norm(x: Any) -> Any:
    y = ops.cast(x, "float32")
    y = y * ops.rsqrt(ops.mean(ops.square(y), axis=-1, keepdims=True) + 1e-6)
    return ops.cast(y, x.dtype)


def _rotary(x: Any) -> Any:
    places = ops.arange(ops.shape(x)[1], dtype="float32")
    angles = ops.einsum("i,j->ij", places, 1 / ops.power(10.0, ops.arange(0, 4, dtype="float32") / 4))
    return x * ops.cast(ops.cos(angles), x.dtype)


CALLS: dict[str, Callable[[Any], Any]] = {
    "norm": _norm,
    "rotary embedding": _rotary,
    "softmax": lambda x: ops.cast(ops.softmax(ops.cast(x, dtype="float32")), x.dtype),
    "half precision": lambda x: ops.cast(ops.exp(ops.cast(x, "float16")), x.dtype),
    "constants": lambda x: x * ops.cast(ops.linspace(0.1, 1, 4, dtype="float32") ** 0.3, x.dtype),
    "constants without a type": lambda x: (
        x * (ops.ones((4,)) / 3 + ops.arange(4.0) + ops.convert_to_tensor([0.1, 0.2, 0.3, 0.4]))
    ),
    "default type": lambda x: x * ops.array(np.float32([0.1, 0.2, 0.3, 0.4])) + ops.full((4,), 0.3),
    "TensorFlow's numbers": lambda x: (
        x * tf.fill((4,), 0.3) * tf.linspace(0.1, 1.0, 4) * tf.sequence_mask([3], 4, dtype=tf.float32)
    ),
    "tensors in a list": lambda x: (
        x + tf.convert_to_tensor([x[0, 0, 0], x[0, 0, 1], 0.3, 0.1]) + ops.convert_to_tensor([x[0, 0, 0]] * 4)
    ),
    "whole numbers without a type": lambda x: (
        x * ops.cast(ops.cast(x, "int32") + ops.arange(4) + ops.array([1, 2, 3, 4]), x.dtype)
    ),
    "TensorFlow's constants": lambda x: (
        tf.constant(0.1) * x + tf.ones((4,)) * tf.constant([0.1, 0.2, 0.3, 0.4], tf.float32)
    ),
    "TensorFlow's steps": lambda x: x * tf.range(4.0) / tf.convert_to_tensor(0.3) + tf.eye(4)[0] * tf.one_hot(1, 4),
    "a policy": lambda x: ops.cast(keras.layers.Softmax(dtype="float32")(x - 1e9 * ops.cast(x > 0, x.dtype)), x.dtype),
    "a layer made in the call": lambda x: (
        keras.layers.Softmax()(x) * x + keras.layers.Softmax()(x) * ops.sqrt(ops.cast(4, x.dtype))
    ),
    "TensorFlow's cast": lambda x: tf.cast(tf.nn.softmax(tf.cast(x, tf.float32) / 3), x.dtype),
}


def _model(call: Callable[[Any], Any], dtype: str = "float32") -> Any:
    @keras.saving.register_keras_serializable("metannvis-tests")
    class Asks(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return call(x)

    inputs = keras.Input((None, 4), dtype=dtype)
    return keras.Model(inputs, Asks(dtype=dtype)(inputs))


X = np.random.default_rng(0).standard_normal((2, 5, 4))


@pytest.mark.parametrize("name", CALLS)
def test_agree_in_double(name: str) -> None:
    model = _model(CALLS[name])
    translation = translate(model, "torch", example_inputs=X.astype("float32"), dtype="float64")
    report = check_equivalence(model, translation, X[:, :3].astype("float32"), dtype="float64")
    assert report.passed, str(report)
    assert translation.single_precision == ()


def test_layers_inside_are_seen_in_double_as_in_single() -> None:
    @keras.saving.register_keras_serializable("metannvis-tests")
    class Block(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(4, name="dense")

        def build(self, shape: Any) -> None:
            self.dense.build(shape)

        def call(self, x: Any) -> Any:
            return self.dense(_rotary(x)) + ops.arange(ops.shape(x)[1], dtype="float32")[:, None]

    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, Block(name="block")(inputs))
    single, double = (
        translate(model, "torch", example_inputs=X.astype("float32"), dtype=dtype) for dtype in (None, "float64")
    )
    assert [pair.source for pair in single.layers] == [pair.source for pair in double.layers]


def test_a_layer_of_single_precision_inside_is_double_in_the_copy() -> None:
    """Masks of -1e9, as of attention: in single precision they would eat up what they are added to."""

    @keras.saving.register_keras_serializable("metannvis-tests")
    class Attention(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.softmax = keras.layers.Softmax(dtype="float32", name="softmax")

        def call(self, x: Any) -> Any:
            return ops.cast(self.softmax(x - 1e9), x.dtype)

    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, Attention()(inputs))
    (y,) = run_model(as_float64(model), [X]).outputs
    expected = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
    assert np.abs(y - expected).max() < 1e-6  # 1e9 leaves seven digits of double
    report = check_equivalence(
        model,
        translate(model, "torch", example_inputs=X.astype("float32"), dtype="float64"),
        X.astype("float32"),
        dtype="float64",
    )
    assert report.passed, str(report)


def test_a_weight_of_single_precision_is_double_in_the_copy() -> None:
    @keras.saving.register_keras_serializable("metannvis-tests")
    class Scale(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight((4,), "random_normal", "float32", name="scale")
            self.shift = self.add_weight(shape=(4,), dtype="float32", name="shift")

        def call(self, x: Any) -> Any:
            return tf.multiply(x, self.scale) + self.shift.value

    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, Scale()(inputs))
    translation = translate(model, "torch", example_inputs=X.astype("float32"), dtype="float64")
    report = check_equivalence(model, translation, X.astype("float32"), dtype="float64")
    assert report.passed, str(report)


def test_a_norm_is_that_of_float64() -> None:
    model = _model(_norm)
    (y,) = run_model(as_float64(model), [X]).outputs
    assert np.abs(y - X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-6)).max() < 1e-15
    (single,) = run_model(model, [X.astype("float32")]).outputs
    assert single.dtype == np.float32


def test_a_model_in_double_precision_means_what_it_says() -> None:
    model = _model(_norm, "float64")
    (y,) = run_model(as_float64(model), [X]).outputs
    assert 1e-9 < np.abs(y - X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-6)).max() < 1e-6
    translation = translate(model, "torch", example_inputs=X)
    assert translation.report is not None and translation.report.passed
    assert any("float32" in text for text in translation.single_precision)


@keras.saving.register_keras_serializable("metannvis-tests")
class Tied(keras.Model):
    """A language model whose constructor puts a tensor, its embeddings, into the graph."""

    def __init__(self, **kwargs: Any) -> None:
        tokens, table = keras.Input((None,), dtype="int32"), keras.layers.Embedding(7, 4)
        super().__init__(tokens, ops.matmul(table(tokens), ops.transpose(table.embeddings)), **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def test_a_constructor_that_is_run_again_makes_no_constants_of_its_own() -> None:
    model, x = Tied(), np.array([[1, 2, 3], [6, 5, 4]], "int32")
    (y,), (z,) = (run_model(m, [x]).outputs for m in (model, as_float64(model)))
    assert np.abs(y - z).max() < 1e-6
    assert translate(model, "torch", example_inputs=x, dtype="float64").report is not None


def test_how_a_model_is_trained_is_no_part_of_its_copy() -> None:
    """Losses and metrics of the caller's own need not be known, and nothing is said of a `compile()` of its own."""

    class Task(keras.Model):  # type: ignore[name-defined, misc]
        def compile(self, *args: Any, **kwargs: Any) -> None:
            super().compile(*args, **kwargs)

    inputs = keras.Input((4,))
    for kind in (keras.Model, Task):
        model = kind(inputs, keras.layers.Dense(3)(inputs))
        model.compile("adam", loss=lambda y, p: ops.mean(ops.abs(y - p)))
        model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
        copy = as_float64(model)
        assert copy.compute_dtype == "float64"
        np.testing.assert_allclose(copy(np.ones((1, 4))), model(np.ones((1, 4), np.float32)), rtol=1e-5)
        assert model.compiled


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("size", [(3, 3, 3), (4, 7, 6)])
def test_long_steps_through_volumes_begin_at_the_first_place(size: tuple[int, ...], data_format: str) -> None:
    """TensorFlow's double kernel begins one place late: a right translation was called wrong."""
    shape = (*size, 2) if data_format == "channels_last" else (2, *size)
    inputs = keras.Input(shape)
    steps = keras.layers.Conv3D(3, (1, 2, 1), (3, 4, 1), padding="same", data_format=data_format)
    model = keras.Model(inputs, keras.layers.Conv3D(2, 1, 3, padding="same", data_format=data_format)(steps(inputs)))
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype("float32")
    expected = run_model(model, [x]).outputs[0]  # in single precision another kernel is taken
    np.testing.assert_allclose(run_model(as_float64(model), [x]).outputs[0], expected, rtol=1e-4, atol=1e-6)
    assert translate(model, "torch", dtype="float64").report.passed


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kind", ["MaxPooling3D", "AveragePooling3D"])
def test_pools_in_three_dimensions_run_in_double(kind: str, padding: str) -> None:
    """TensorFlow has no double kernel for them: a translation whose check was decided in double was called wrong."""
    torch = require("torch")
    inputs = keras.Input((7, 8, 9, 2))
    model = keras.Model(inputs, getattr(keras.layers, kind)((2, 3, 2), (2, 2, 3), padding)(inputs))
    x = np.random.default_rng(0).standard_normal((2, 7, 8, 9, 2)).astype("float32")
    double = as_float64(model)
    run = run_model(double, [x], cotangents=[np.ones(model(x).shape)])
    np.testing.assert_allclose(run.outputs[0], run_model(model, [x]).outputs[0], rtol=1e-5, atol=1e-6)
    assert run.outputs[0].dtype == np.float64
    if padding == "valid":
        pool = torch.nn.functional.max_pool3d if kind == "MaxPooling3D" else torch.nn.functional.avg_pool3d
        tensor = torch.tensor(x.transpose(0, 4, 1, 2, 3), dtype=torch.float64, requires_grad=True)
        expected = pool(tensor, (2, 3, 2), (2, 2, 3))
        expected.sum().backward()
        np.testing.assert_allclose(run.outputs[0], expected.detach().numpy().transpose(0, 2, 3, 4, 1), rtol=1e-12)
        np.testing.assert_allclose(run.gradients[0], tensor.grad.numpy().transpose(0, 2, 3, 4, 1), rtol=1e-12)
    assert translate(model, "torch", dtype="float64").report.passed
