"""Layers of the caller's own whose ``call`` computes from sizes that the model leaves free: right for every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate
from metannvis_translate.frameworks.requirements import require

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


def test_a_size_that_decides_is_refused() -> None:
    model = _model(lambda x: x * 2)
    model.layers[-1].call = lambda x: x * 2 if ops.shape(x)[1] > 3 else x
    with pytest.raises(UnsupportedOperatorError, match="boolean"):
        translate(model, "torch", example_inputs=_x(2, 7))


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
