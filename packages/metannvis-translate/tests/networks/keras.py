"""Keras networks of ordinary kinds: what ``translate(model, "torch")`` is tested on.

A row builds the model. Weights, biases and statistics are randomised: zeros and ones hide errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .keras_models import MODELS

__all__ = ["ZOO", "Row", "randomize"]


@dataclass(frozen=True)
class Row:
    make: Callable[[], Any]
    #: why it is held to 1e-6 instead of 1e-9 in double precision: the layer that Keras computes in single
    single: str = ""


def randomize(model: Any, seed: int = 0) -> Any:
    """Weights of a sensible size, biases and batch statistics that are neither zero nor one."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        if "variance" in weight.path:
            weight.assign(random.uniform(0.5, 2.0, weight.shape))
        elif len(weight.shape) < 2:
            weight.assign(random.uniform(-0.5, 0.8, weight.shape))
        else:
            weight.assign(random.normal(0, max(np.prod(weight.shape[:-1]), 1) ** -0.5, weight.shape))
    return model


def _block(channels: int, name: str) -> Any:
    x = given = keras.Input((None, None, channels))
    x = layers.Conv2D(channels, 3, padding="same", name="conv1")(x)
    x = layers.BatchNormalization(name="norm1")(x)
    x = layers.ReLU(name="act")(x)
    x = layers.Conv2D(channels, (3, 1), padding="same", use_bias=False, name="conv2")(x)
    x = layers.Add(name="add")([x, given])
    return keras.Model(given, layers.Activation("relu", name="last")(x), name=name)


def _rgb() -> Any:
    """RGB images of 20 × 28, asymmetric padding, a nested block used twice, a nested Sequential."""
    stem = keras.Sequential(
        [
            keras.Input((20, 28, 3)),
            layers.ZeroPadding2D(((2, 0), (0, 1))),
            layers.Conv2D(8, 3, strides=2, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.LeakyReLU(negative_slope=0.1, name="act"),
        ],
        name="stem",
    )
    given = keras.Input((20, 28, 3), name="image")
    block = _block(8, "block")
    x = block(block(stem(given)))
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.Dropout(0.3, name="drop")(layers.Flatten(name="flatten")(x * 0.1 + 0.3))
    return keras.Model(given, layers.Dense(7, activation="softmax", name="fc")(x))


def _sequential() -> Any:
    """What people write: activations as arguments."""
    return keras.Sequential(
        [
            keras.Input((11, 14, 1)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, (3, 2), strides=(1, 2), padding="same", activation="tanh"),
            layers.AveragePooling2D(2, 1, padding="same"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(5),
        ]
    )


def _inception() -> Any:
    given = keras.Input((9, 12, 4))
    one = layers.Conv2D(3, 1)(given)
    three = layers.Conv2D(5, 3, padding="same", activation="relu")(layers.Conv2D(3, 1)(given))
    pooled = layers.AveragePooling2D(3, 1, padding="same")(given)
    x = layers.Concatenate()([one, three, pooled])
    x = layers.Conv2D(4, 3, activation="elu")(x)
    return keras.Model(given, layers.GlobalAveragePooling2D()(x))


def _depthwise() -> Any:
    return keras.Sequential(
        [
            keras.Input((13, 15, 4)),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.ReLU(max_value=6),
            layers.SeparableConv2D(6, 3, strides=2, padding="same"),
            layers.BatchNormalization(scale=False),
            layers.Conv2D(6, 3, groups=2, dilation_rate=2),
            layers.Activation("silu"),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.Reshape((2, 3)),
            layers.Flatten(),
        ]
    )


def _autoencoder() -> Any:
    return keras.Sequential(
        [
            keras.Input((12, 16, 3)),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
            layers.UpSampling2D(2),
            layers.Conv2DTranspose(3, 4, activation="sigmoid"),
            layers.Cropping2D(((1, 2), (0, 3))),
        ]
    )


def _conv1d() -> Any:
    return keras.Sequential(
        [
            keras.Input((33, 3)),
            layers.Conv1D(6, 5, padding="causal", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.Conv1D(4, 3, dilation_rate=2),
            layers.Conv1DTranspose(3, 4, strides=2, padding="same"),
            layers.AveragePooling1D(3, 2, padding="same"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def _conv3d() -> Any:
    return keras.Sequential(
        [
            keras.Input((5, 8, 10, 2)),
            layers.Conv3D(4, (2, 3, 3), padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv3D(3, 2, strides=(1, 2, 2)),
            layers.Conv3DTranspose(2, 2, strides=2),
            layers.GlobalAveragePooling3D(),
        ]
    )


def _channels_first() -> Any:
    """``data_format="channels_first"`` where TensorFlow computes it on a CPU."""
    return keras.Sequential(
        [
            keras.Input((3, 9, 7)),
            layers.Permute((2, 3, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Permute((3, 1, 2)),
            layers.BatchNormalization(axis=1),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
        ]
    )


def _several() -> Any:
    """Two inputs, two outputs, merging layers, a branch that is shared."""
    left, right, meta = (
        keras.Input((9, 7, 3), name="left"),
        keras.Input((9, 7, 3), name="right"),
        keras.Input((5,), name="meta"),
    )
    branch = keras.Sequential(
        [keras.Input((9, 7, 3)), layers.Conv2D(4, 3, activation="relu"), layers.GlobalMaxPooling2D()], name="branch"
    )
    a, b = branch(left), branch(right)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(meta)
    mixed = layers.Concatenate()([layers.Subtract()([a, b]), layers.Multiply()([a, gate]), layers.Maximum()([a, b])])
    return keras.Model([left, right, meta], [layers.Dense(3, name="class")(mixed), layers.Average(name="mean")([a, b])])


def _operations() -> Any:
    """``keras.ops`` and Python's operators in the graph."""
    given = keras.Input((8, 6, 3))
    x = layers.Conv2D(4, 3)(given)
    x = ops.relu(x) * 0.3 - 1.5
    x = x[:, 1:, ::2, :] / ops.add(ops.mean(ops.abs(x), axis=(1, 2), keepdims=True), 0.7)
    x = ops.transpose(x, (0, 3, 1, 2))
    x = ops.concatenate([ops.max(x, axis=(2, 3)), ops.sum(x, axis=-1)[:, :, 0]], axis=1)
    return keras.Model(given, ops.log_softmax(ops.reshape(x, (-1, 8)), axis=-1))


def _mlp() -> Any:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "tanh"),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(),
            layers.Dense(3, "sigmoid"),
        ]
    )


def _tokens() -> Any:
    given = keras.Input((8, 12, 3))
    x = layers.Reshape((-1, 8))(layers.Conv2D(8, 4, strides=4)(given))
    y = layers.Dense(12, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.Add()([x, layers.Dense(8)(y)])
    return keras.Model(given, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "hard_sigmoid", "hard_silu", "tanh",
    "softplus", "softsign", "softmax", "log_softmax", "exponential", "linear", "log_sigmoid", "tanh_shrink", "hard_tanh",
)  # fmt: skip


def _activations() -> Any:
    given = keras.Input((6, 9, 2))
    x = layers.Conv2D(5, 3)(given)
    found = [layers.Activation(name)(x) for name in ACTIVATIONS]
    found += [
        layers.PReLU(shared_axes=[1, 2])(x),
        layers.LeakyReLU(0.2)(x),
        layers.ELU(0.7)(x),
        layers.ReLU(1.5, 0.1, 0.2)(x),
        layers.Softmax(axis=1)(x),
    ]
    return keras.Model(given, layers.Flatten()(layers.Concatenate()(found)))


ZOO: dict[str, Row] = {
    "rgb": Row(_rgb),
    "sequential": Row(_sequential),
    "inception": Row(_inception),
    "depthwise": Row(_depthwise),
    "autoencoder": Row(_autoencoder),
    "conv1d": Row(_conv1d),
    "conv3d": Row(_conv3d),
    "channels_first": Row(_channels_first),
    "several": Row(_several),
    "operations": Row(_operations),
    "mlp": Row(_mlp),
    "tokens": Row(_tokens, single="gelu"),
    "activations": Row(_activations, single="gelu"),
    **{name: Row(make) for name, make in MODELS.items()},
}
