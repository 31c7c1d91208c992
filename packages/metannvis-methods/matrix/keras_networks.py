"""The networks of ``torch_networks.py`` in Keras, by hand, as one writes them there; layers that do the same have the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

__all__ = ["NETWORKS"]

BATCH_NORM = {"epsilon": 1e-5}  # PyTorch's default; that of layer normalisation as well


def cnn() -> Any:
    """A convolutional network, the first activation an argument."""
    given = keras.Input((10, 12, 2), name="image")
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(given)
    x = layers.Conv2D(7, 3, name="conv2")(layers.MaxPooling2D(2, name="pool")(x))
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(name="norm2", **BATCH_NORM)(x))
    return keras.Model(given, layers.Dense(5, name="classes")(layers.Flatten(name="flatten")(x)))


def resnet() -> Any:
    """A stem and two residual blocks; padded as PyTorch does it."""

    def conv(x: Any, width: int, size: int, stride: int, name: str) -> Any:
        if size > 1:
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        return layers.Conv2D(width, size, stride, use_bias=False, name=name)(x)

    given = keras.Input((20, 28, 3), name="image")
    x = layers.BatchNormalization(name="norm", **BATCH_NORM)(conv(given, 6, 3, 2, "stem"))
    x = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="relu")(x))
    for name, width, stride in (("one", 6, 1), ("two", 8, 2)):
        y = layers.BatchNormalization(name=f"{name}_norm1", **BATCH_NORM)(conv(x, width, 3, stride, f"{name}_conv1"))
        y = conv(layers.ReLU(name=f"{name}_relu1")(y), width, 3, 1, f"{name}_conv2")
        y = layers.BatchNormalization(name=f"{name}_norm2", **BATCH_NORM)(y)
        if stride > 1:
            x = layers.BatchNormalization(name="two_short_norm", **BATCH_NORM)(conv(x, width, 1, stride, "two_short"))
        x = layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([y, x]))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(given, layers.Softmax(name="softmax")(layers.Dense(5, name="classes")(x)))


def signal() -> Any:
    """One axis of places."""
    given = keras.Input((24, 3), name="signal")
    x = layers.ReLU(name="relu1")(layers.Conv1D(6, 5, padding="same", name="conv1")(given))
    x = layers.Conv1D(8, 3, name="conv2")(layers.MaxPooling1D(2, name="pool")(x))
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(name="norm2", **BATCH_NORM)(x))
    return keras.Model(given, layers.Dense(4, name="classes")(layers.GlobalAveragePooling1D(name="average")(x)))


def table() -> Any:
    """A perceptron."""
    given = keras.Input((9,), name="features")
    x = layers.Dense(12, activation="relu", name="one")(given)
    x = layers.ReLU(name="relu2")(layers.Dense(8, name="two")(x))
    return keras.Model(given, layers.Dense(3, name="classes")(x))


def text() -> Any:
    """Indices, what embeds them, and a recurrent layer."""
    given = keras.Input((7,), dtype="int64", name="words")
    x = layers.LSTM(5, name="lstm")(layers.Embedding(20, 6, name="embedding")(given))
    x = layers.ReLU(name="relu")(layers.Dense(6, name="hidden")(x))
    return keras.Model(given, layers.Dense(4, name="classes")(x))


class Token(layers.Layer):
    """A token before the others, which is trained."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(1, 1, shape[-1]), name="table")

    def call(self, x: Any) -> Any:
        token = keras.ops.broadcast_to(self.table, (keras.ops.shape(x)[0], 1, x.shape[-1]))
        return keras.ops.concatenate([token, x], 1)


class Positions(layers.Layer):
    """Adds a vector for each place, which is trained."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


def vit() -> Any:
    """Patches of an image, a class token, two transformer blocks."""
    given = keras.Input((16, 24, 3), name="image")
    x = layers.Reshape((6, 8), name="tokens")(layers.Conv2D(8, 8, 8, name="patches")(given))
    x = Positions(name="positions")(Token(name="token")(x))
    for name in ("one", "two"):
        y = layers.LayerNormalization(name=f"{name}_norm1", epsilon=1e-5)(x)
        x = layers.Add(name=f"{name}_add1")([x, layers.MultiHeadAttention(2, 4, name=f"{name}_attention")(y, y)])
        y = layers.LayerNormalization(name=f"{name}_norm2", epsilon=1e-5)(x)
        y = layers.ReLU(name=f"{name}_relu")(layers.Dense(12, name=f"{name}_mlp1")(y))
        x = layers.Add(name=f"{name}_add2")([x, layers.Dense(8, name=f"{name}_mlp2")(y)])
    x = layers.LayerNormalization(name="norm", epsilon=1e-5)(x)
    return keras.Model(given, layers.Dense(4, name="classes")(x[:, 0]))


def two_inputs() -> Any:
    """An image beside a table."""
    image, features = keras.Input((8, 6, 3), name="image"), keras.Input((5,), name="table")
    x = layers.ReLU(name="relu")(layers.Conv2D(4, 3, name="conv")(image))
    x = layers.Dense(6, name="see")(layers.Flatten(name="flatten")(x))
    y = layers.Dense(6, activation="relu", name="read")(features)
    return keras.Model([image, features], layers.Dense(4, name="classes")(layers.Add(name="both")([x, y])))


def two_outputs() -> Any:
    """Classes beside a box."""
    given = keras.Input((8, 10, 2), name="image")
    x = layers.ReLU(name="relu")(layers.Conv2D(6, 3, name="conv")(given))
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(2, name="pool")(x))
    y = layers.ReLU(name="relu2")(layers.Dense(5, name="hidden")(x))
    return keras.Model(given, [layers.Dense(4, name="classes")(x), layers.Dense(3, name="box")(y)])


def unet() -> Any:
    """Down and up again, with skip connections: a class for each pixel."""
    given = keras.Input((8, 12, 2), name="image")
    a = layers.ReLU(name="relu1")(layers.Conv2D(4, 3, padding="same", name="down1")(given))
    b = layers.Conv2D(6, 3, padding="same", name="down2")(layers.MaxPooling2D(2, name="pool1")(a))
    b = layers.ReLU(name="relu2")(b)
    c = layers.AveragePooling2D(2, name="pool2")(b)
    c = layers.Conv2D(6, 3, padding="same", activation="relu", name="bottom")(c)
    y = layers.ReLU(name="relu4")(layers.Conv2DTranspose(6, 2, 2, name="up2")(c))
    y = layers.Conv2D(4, 3, padding="same", name="back2")(layers.Concatenate(name="join2")([b, y]))
    y = layers.UpSampling2D(2, name="up1")(layers.ReLU(name="relu5")(y))
    return keras.Model(given, layers.Conv2D(3, 1, name="classes")(layers.Concatenate(name="join1")([a, y])))


NETWORKS: dict[str, Callable[[], Any]] = {
    "cnn": cnn,
    "resnet": resnet,
    "signal": signal,
    "table": table,
    "text": text,
    "vit": vit,
    "two inputs": two_inputs,
    "two outputs": two_outputs,
    "unet": unet,
}
