"""Layers of the caller's own whose ``call`` computes from sizes that the model leaves free: right for every size."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate import InvalidArgumentError, UnsupportedOperatorError, check_equivalence, translate
from metannvis_translate.frameworks.requirements import require

tf = require("tensorflow")
keras = require("keras")
ops = keras.ops


def _steps(x: Any) -> Any:
    return ops.arange(ops.shape(x)[1])


def _apart(x: Any) -> Any:
    return _steps(x)[:, None] - _steps(x)[None, :]


def _masked(x: Any, allowed: Any) -> Any:
    scores = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
    return ops.matmul(ops.softmax(scores + (1 - ops.cast(allowed, x.dtype)) * -1e9), x)


def _windows(x: Any) -> Any:
    batch, steps, width = ops.shape(x)
    x = ops.pad(x, ((0, 0), (0, -steps % 4), (0, 0)))
    x = ops.reshape(x, (batch, ops.shape(x)[1] // 4, 4, width))
    x = ops.reshape(x - ops.mean(x, axis=2, keepdims=True), (batch, -1, width))
    return x[:, :steps]


def _rotary(x: Any) -> Any:
    angles = ops.cast(_steps(x), x.dtype)[:, None] * ops.convert_to_tensor([0.5, 0.1], dtype=x.dtype)
    cos, sin = (ops.concatenate([f(angles)] * 2, axis=-1) for f in (ops.cos, ops.sin))
    one, other = ops.split(x, 2, axis=-1)
    return x * cos + ops.concatenate([-other, one], axis=-1) * sin


def _band(x: Any, below: Any, above: Any) -> Any:
    return tf.linalg.band_part(tf.matmul(x, x, transpose_b=True), below, above)


def _headed(x: Any) -> Any:
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    heads = tf.transpose(tf.reshape(tf.concat([x, x], -1), (batch, steps, 2, 4)), (0, 2, 1, 3))
    return tf.reshape(tf.transpose(heads, (0, 2, 1, 3)), (batch, steps, 8))


TABLE = tf.constant(np.random.default_rng(7).standard_normal((1, 40, 4)), "float32")


#: What a layer does with (N, steps, 4), by the idiom.
CALLS: dict[str, Callable[[Any], Any]] = {
    "arange": lambda x: x + ops.cast(_steps(x), x.dtype)[None, :, None],
    "arange from, to, by": lambda x: x + ops.sum(ops.arange(1, ops.shape(x)[1] + 1, 2, dtype=x.dtype)),
    "rotary embedding": _rotary,
    "causal mask": lambda x: _masked(x, _apart(x) >= 0),
    "sliding window": lambda x: _masked(x, (_apart(x) >= 0) & (_apart(x) < 2) | (-_apart(x) == 1)),
    "equality of tensors": lambda x: _masked(x, ops.logical_not(_steps(x)[:, None] == _steps(x)[None, :])),
    "class token": lambda x: ops.concatenate(
        [ops.broadcast_to(ops.ones((1, 1, 4)), (ops.shape(x)[0], 1, 4)), x], axis=1
    ),
    "zeros": lambda x: ops.concatenate([ops.zeros((ops.shape(x)[0], 1, 4)), x, ops.full(ops.shape(x), 2.0)], axis=1),
    "tile": lambda x: x + ops.tile(ops.convert_to_tensor([[[1.0, 2.0, 3.0, 4.0]]]), (1, ops.shape(x)[1], 1)),
    "repeat": lambda x: ops.repeat(ops.mean(x, axis=1, keepdims=True), ops.shape(x)[1], axis=1) - x,
    "slice of a table": lambda x: x + ops.slice(ops.reshape(ops.arange(80.0), (20, 4)), (0, 0), ops.shape(x)[1:]),
    "half of the steps": lambda x: x[:, : ops.shape(x)[1] // 2],
    "the last step": lambda x: x[:, ops.shape(x)[1] - 1],
    "windows": _windows,
    "heads": lambda x: ops.reshape(
        ops.transpose(ops.reshape(x, (ops.shape(x)[0], -1, 2, 2)), (0, 2, 1, 3)), (-1, ops.shape(x)[1], 2)
    ),
    "a bound that depends on a size": lambda x: ops.clip(x, 0, 1 / ops.cast(ops.shape(x)[1], x.dtype)),
    "a number for every step": lambda x: ops.sum(x, axis=1) / ops.cast(ops.shape(x)[1], x.dtype),
    "rows one by one": lambda x: ops.map(lambda row: ops.softmax(ops.matmul(row, ops.transpose(row))), x),
    "Fourier transform": lambda x: ops.fft2((x, ops.zeros_like(x)))[0],
    "inverse of another": lambda x: ops.ifft2((x, x * x))[1],
    "real Fourier transform": lambda x: ops.rfft(x, 6)[1],
    "back to real numbers, of an odd length": lambda x: ops.irfft((x, x * x), 5),
    # what a symbolic tensor cannot be given to
    "TensorFlow's band": lambda x: _band(x, 1, 1),
    "TensorFlow's triangle": lambda x: _band(x, -1, 0),
    "TensorFlow's band as wide as the sequence allows": lambda x: _band(x, 2, tf.minimum(tf.shape(x)[1], 3)),
    "TensorFlow's slice of a table": lambda x: x + TABLE[:, : tf.shape(x)[1]],
    "TensorFlow's slice of a table, from a place": lambda x: x + TABLE[:, 3 : tf.shape(x)[1] + 3],
    "TensorFlow's slice of a table, every second": lambda x: x + TABLE[:, : 2 * tf.shape(x)[1] : 2],
    "TensorFlow's slice from the end": lambda x: x + TABLE[:, -tf.shape(x)[1] :],
    "TensorFlow's slice by start and size": lambda x: x + tf.slice(TABLE, [0, 2, 0], [1, tf.shape(x)[1], 4]),
    "TensorFlow's last step": lambda x: tf.exp(x)[:, tf.shape(x)[1] - 1],
    "TensorFlow's heads, there and back": lambda x: _headed(x),
    "complex numbers": lambda x: tf.math.real(tf.complex(x, x * x) * tf.complex(x, x + 1)),
    "absolute values of complex numbers": lambda x: tf.abs(tf.complex(x, x * x)),
    "part of a spectrum": lambda x: tf.math.imag(tf.signal.fft(tf.cast(x, tf.complex64))[:, :, 1:]),
}


def _model(call: Callable[[Any], Any]) -> Any:
    class Own(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return call(x)

    inputs = keras.Input((None, 4))
    return keras.Model(inputs, Own()(inputs))


def _x(batch: int, steps: int) -> Any:
    return np.random.default_rng(batch).standard_normal((batch, steps, 4)).astype("float32")


@pytest.mark.parametrize("name", CALLS)
def test_every_size_is_right(name: str) -> None:
    model = _model(CALLS[name])
    translation = translate(model, "torch", example_inputs=_x(2, 7))
    for batch, steps in ((1, 7), (3, 5), (2, 12)):
        report = check_equivalence(model, translation, _x(batch, steps))
        assert report.passed, str(report)


def _loop(x: Any) -> Any:
    state, found = ops.zeros_like(x[:, 0]), []
    for step in range(ops.shape(x)[1]):
        state = state * 0.5 + ops.tanh(x[:, step])
        found.append(state)
    return ops.stack(found, axis=1)


#: What a layer can do with one number of steps only.
DECIDING: dict[str, Callable[[Any], Any]] = {
    "a branch": lambda x: x * 2 if ops.shape(x)[1] > 3 else x,
    "a loop": _loop,
    "another shape by size": lambda x: ops.cond(
        ops.equal(ops.shape(x)[1], 3), lambda: ops.ones((ops.shape(x)[0], 4)), lambda: ops.reshape(x, (-1, 4))
    ),
}


def _deciding(name: str) -> Any:
    """A model that Keras makes without a look at what the layer does."""

    class Decides(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return DECIDING[name](x)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape if name != "another shape by size" else (None, 4)

    inputs = keras.Input((None, 4))
    return keras.Model(inputs, Decides()(inputs))


@pytest.mark.parametrize("name", DECIDING)
@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_a_size_that_decides_is_fixed_and_told(name: str, to: str) -> None:
    model = _deciding(name)
    translation = translate(model, to, example_inputs=_x(2, 7))
    assert any("fixed beside the batch" in note for note in translation.notes)
    assert translation.inputs[0].source_shape == (None, 7, 4)
    assert check_equivalence(model, translation, _x(3, 7)).passed
    if to == "torch":
        torch = require("torch")
        with pytest.raises(InvalidArgumentError, match=r"a size of 5 on axis 1: the input .* takes exactly 7"):
            translation.model(torch.tensor(_x(2, 5)))


def test_a_size_that_decides_is_refused_where_nobody_says_it() -> None:
    with pytest.raises(UnsupportedOperatorError, match="boolean"):
        translate(_deciding("a branch"), "torch")


def test_a_layer_keeps_no_symbols() -> None:
    """A ``call`` that notes something once for all calls is not spoilt by being traced."""

    class Noting(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            if not hasattr(self, "first"):
                self.first = ops.shape(x)[1] * 2
            return tf.nn.relu(x) * ops.cast(self.first, x.dtype)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    inputs = keras.Input((None, 4))
    layer = Noting()
    model = keras.Model(inputs, layer(inputs))
    vars(layer).pop("first", None)
    with contextlib.suppress(UnsupportedOperatorError):
        translate(model, "torch", example_inputs=_x(2, 7), verify=False)
    assert not hasattr(layer, "first")


def test_what_is_no_tensor_may_stand_beside_tensors() -> None:
    """Layers return ``None`` for a cache, and constants; their own ``compute_output_spec`` may be another class's."""

    class Cached(keras.layers.MultiHeadAttention):
        def call(self, x: Any, cache: Any = None) -> Any:  # type: ignore[override]
            return super().call(x, x), cache, ops.ones((1, 4)) * 3

    class Block(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.norm = Cached(2, 2), keras.layers.LayerNormalization()

        def build(self, shape: Any) -> None:
            self.attention.build(shape, shape)
            self.norm.build(shape)

        def call(self, x: Any, training: bool = False) -> Any:
            y, cache, scale = self.attention(x)
            assert cache is None
            return self.norm(inputs=y * scale, training=training)

    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, Block()(inputs))
    translation = translate(model, "torch", example_inputs=_x(2, 7))
    assert check_equivalence(model, translation, _x(3, 5)).passed


def test_a_softmax_over_one_entry_warns_nobody() -> None:
    """Warnings are errors in these tests; what Keras says of the caller's sizes is none of a translation's."""
    model = _model(lambda x: ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1)))))
    assert translate(model, "torch", example_inputs=_x(2, 1)).report is not None


def test_a_size_that_a_layer_declares_wrongly_is_not_believed() -> None:
    """``compute_output_shape`` is given the shape of the first argument, whatever others there are."""

    class Written(keras.layers.Layer):
        def call(self, new: Any, x: Any) -> Any:
            batch, steps, width = ops.shape(x)
            flat = ops.scatter_update(ops.reshape(x, (batch * steps, width)), [[0], [2]], ops.reshape(new, (-1, 4))[:2])
            return ops.reshape(flat, (batch, steps, width))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    new, x = keras.Input((3, 4)), keras.Input((None, 4))
    y = Written()(new, x)
    allowed = ops.ones((ops.shape(y)[1] or 1,))[0] * y
    model = keras.Model([new, x], keras.layers.Dense(2)(ops.concatenate([allowed, y], axis=-1)))
    inputs = [np.random.default_rng(0).standard_normal((2, size, 4)).astype("float32") for size in (3, 7)]
    translation = translate(model, "torch", example_inputs=inputs)
    assert check_equivalence(model, translation, [inputs[0], inputs[1][:, :5]]).passed


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_average_pool_of_free_size_counts_no_pads(stride: int) -> None:
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, keras.layers.AveragePooling2D(3, stride, padding="same")(inputs))
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 2)).astype("float32")
    translation = translate(model, "torch", example_inputs=x, dtype="float64")
    for size in (5, 6, 7):
        assert check_equivalence(model, translation, x[:1, :size], dtype="float64").passed


def test_linear_resizing_of_free_size_in_double() -> None:
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, keras.layers.UpSampling2D(4, interpolation="bilinear")(inputs))
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 2)).astype("float32")
    translation = translate(model, "torch", example_inputs=x, dtype="float64")
    assert check_equivalence(model, translation, x[:, :5], dtype="float64").passed
