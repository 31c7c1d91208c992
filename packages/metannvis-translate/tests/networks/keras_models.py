"""Keras networks that people write: Transformers, U-Nets, text classifiers, generators, siamese networks, layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

__all__ = ["MODELS"]


@keras.saving.register_keras_serializable("metannvis-tests")
class Patches(layers.Layer):
    """An image cut into patches, with a class token in front and positions added."""

    def __init__(self, size: int, width: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.size, self.width = size, width
        self.projection = layers.Conv2D(width, size, strides=size, name="projection")

    def build(self, shape: Any) -> None:
        self.projection.build(shape)
        count = (shape[1] // self.size) * (shape[2] // self.size)
        self.token = self.add_weight(shape=(1, 1, self.width), name="token")
        self.positions = self.add_weight(shape=(1, count + 1, self.width), name="positions")

    def call(self, images: Any) -> Any:
        x = self.projection(images)
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.width))
        token = self.token + ops.zeros_like(x[:, :1])
        return ops.concatenate([token, x], axis=1) + self.positions

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "width": self.width}


def _encoder(x: Any, heads: int, width: int, *, mask: Any = None) -> Any:
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    y = layers.MultiHeadAttention(heads, width // heads, dropout=0.1)(y, y, attention_mask=mask)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    y = layers.Dropout(0.1)(layers.Dense(2 * width, activation="relu")(y))
    return layers.Add()([x, layers.Dense(width)(y)])


def _vit() -> Any:
    given = keras.Input((12, 16, 3))
    x = Patches(4, 8, name="patches")(layers.Rescaling(1 / 127.5, offset=-1)(given))
    for _ in range(2):
        x = _encoder(x, 2, 8)
    x = layers.LayerNormalization()(x)[:, 0]
    return keras.Model(given, layers.Dense(5, activation="softmax")(x))


def _unet() -> Any:
    given = keras.Input((16, 24, 3))

    def block(x: Any, width: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
        return x

    first = block(given, 4)
    second = block(layers.MaxPooling2D()(first), 6)
    x = block(layers.MaxPooling2D()(second), 8)
    x = layers.Conv2DTranspose(6, 2, strides=2, padding="same")(x)
    x = block(layers.Concatenate()([x, second]), 6)
    x = layers.UpSampling2D(2)(x)
    x = block(layers.concatenate([x, first]), 4)
    return keras.Model(given, layers.Conv2D(2, 1, activation="sigmoid")(x))


def _text() -> Any:
    """A text encoder with padding that is masked."""
    given = keras.Input((9,), dtype="int32", name="words")
    x = layers.Embedding(12, 8, mask_zero=True)(given)
    x = layers.SpatialDropout1D(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True, dropout=0.2))(x)
    x = layers.TimeDistributed(layers.Dense(6, activation="tanh"))(x)
    x = layers.Bidirectional(layers.GRU(4))(x)
    return keras.Model(given, layers.Dense(3, activation="softmax")(x))


def _transformer() -> Any:
    """A text encoder of attention, its positions added by ``keras.ops``, padding masked, the mean over what is left."""
    given = keras.Input((9,), dtype="int32", name="words")
    words = layers.Embedding(12, 8, mask_zero=True)(given)
    positions = layers.Embedding(9, 8)(ops.arange(9))
    x = layers.Add()([words, ops.zeros_like(words) + positions])
    x = layers.LayerNormalization()(x + words)
    y = layers.MultiHeadAttention(2, 4)(words, x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def _lstm_classifier() -> Any:
    return keras.Sequential(
        [
            keras.Input((11, 4)),
            layers.Masking(),
            layers.LSTM(6, return_sequences=True),
            layers.LSTM(5, recurrent_dropout=0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _generator() -> Any:
    """Of a generative adversarial network, of several inputs: noise, and a class."""
    noise, label = keras.Input((7,)), keras.Input((1,), dtype="int32")
    x = layers.Multiply()([noise, layers.Flatten()(layers.Embedding(4, 7)(label))])
    x = layers.Dense(3 * 4 * 8, use_bias=False)(x)
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x))
    x = layers.Reshape((3, 4, 8))(x)
    x = layers.Conv2DTranspose(6, 5, strides=1, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization(momentum=0.8)(x))
    x = layers.Conv2DTranspose(4, 5, strides=2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x))
    return keras.Model([noise, label], layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh")(x))


@keras.saving.register_keras_serializable("metannvis-tests")
class Distance(layers.Layer):
    """Euclidean distance of two vectors, as the tutorials have it."""

    def call(self, pair: Any) -> Any:
        a, b = pair
        total = ops.sum(ops.square(a - b), axis=1, keepdims=True)
        return ops.sqrt(ops.maximum(total, keras.config.epsilon()))


def _siamese() -> Any:
    branch = keras.Sequential(
        [
            keras.Input((10, 12, 1)),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(5, activation="tanh"),
        ],
        name="branch",
    )
    pair = [keras.Input((10, 12, 1)) for _ in range(2)]
    x = layers.BatchNormalization()(Distance()([branch(x) for x in pair]))
    return keras.Model(pair, layers.Dense(1, activation="sigmoid")(x))


@keras.saving.register_keras_serializable("metannvis-tests")
class Squeeze(layers.Layer):
    """Squeeze and excitation: layers made in the constructor, weights used in several ways."""

    def __init__(self, ratio: int = 2, **rest: Any) -> None:
        super().__init__(**rest)
        self.ratio = ratio
        self.pool = layers.GlobalAveragePooling2D(keepdims=True)

    def build(self, shape: Any) -> None:
        self.down = layers.Dense(shape[-1] // self.ratio, activation="relu", name="down")
        self.up = layers.Dense(shape[-1], activation="sigmoid", name="up")
        self.down.build((None, 1, 1, shape[-1]))
        self.up.build((None, 1, 1, shape[-1] // self.ratio))
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")
        self.mix = self.add_weight(shape=(shape[-1], 2 * shape[-1]), name="mix")

    def call(self, x: Any) -> Any:
        gated = x * self.up(self.down(self.pool(x)))
        a, b = ops.split(self.mix, 2, axis=1)
        return self.scale * gated + ops.tanh(x @ a) * ops.matmul(x, b)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio}


def _own_layers() -> Any:
    given = keras.Input((8, 9, 3))
    x = layers.Conv2D(6, 3, activation="relu")(given)
    x = Squeeze(name="squeeze")(x)
    x = Squeeze(3, name="again")(x)
    return keras.Model(given, layers.GlobalMaxPooling2D()(x))


class Subclassed(keras.Model):
    """A model that is a class of its own."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.conv = layers.Conv1D(6, 3, activation="relu")
        self.memory = layers.GRU(5)
        self.heads = [layers.Dense(3, name="one"), layers.Dense(2, name="two")]

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.memory(self.conv(x))
        return [head(x) for head in self.heads]


def _around_subclassed() -> Any:
    given = keras.Input((12, 4))
    model = Subclassed(name="subclassed")
    return keras.Model(given, model(given))


MODELS: dict[str, Callable[[], Any]] = {
    "vit": _vit,
    "unet": _unet,
    "text": _text,
    "transformer": _transformer,
    "lstm_classifier": _lstm_classifier,
    "generator": _generator,
    "siamese": _siamese,
    "own_layers": _own_layers,
    "subclassed": _around_subclassed,
}
