"""Convolutional network for the digits in Keras, channels last, and its training. Imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

__all__ = ["accuracy", "build", "build_plain", "for_size", "outputs", "train"]

keras: Any = require("keras")
layers = keras.layers

Array = np.ndarray[Any, Any]


def build(size: int = 8) -> Any:
    """An untrained network: digits of shape ``(N, S, S, 1)``, float32 in 0…1, to logits of shape ``(N, 10)``.

    Parameters
    ----------
    size
        S: 8, whose maps are flattened and go through a hidden layer, or 28, of whose last convolution the largest value of each
        channel counts, wherever it is: where a class comes from can be seen in its maps.
    """
    large = size > 8
    if large:
        head = [
            layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3"),
            layers.GlobalMaxPooling2D(name="largest"),
            layers.Dropout(0.1, name="dropout"),
        ]
    else:
        head = [
            layers.Flatten(name="flatten"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(64, activation="relu", name="hidden"),
        ]
    return keras.Sequential(
        [
            keras.Input((size, size, 1), name="digit"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            *([layers.MaxPooling2D(name="pool1")] if large else []),
            layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(name="relu2"),
            layers.MaxPooling2D(name="pool"),
            *head,
            layers.Dense(10, name="classes"),
        ],
        name="digits",
    )


def build_plain() -> Any:
    """An untrained network of convolutions, ReLUs, pools and dense layers, as ``torch_network.Plain``.

    Digits of shape ``(N, 28, 28, 1)``, float32 in 0…1, to logits of shape ``(N, 10)``; the maps are flattened.
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="digit"),
            layers.Conv2D(16, 3, padding="same", name="conv1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(32, 3, padding="same", name="conv2"),
            layers.ReLU(name="relu2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, name="hidden"),
            layers.ReLU(name="relu3"),
            layers.Dense(10, name="classes"),
        ],
        name="plain",
    )


def train(
    images: Array,
    classes: Array,
    *,
    epochs: int,
    seed: int,
    progress: Callable[[int, int, str], None],
    batch: int = 32,
    plain: bool = False,
) -> Any:
    """A network trained with Adam.

    Parameters
    ----------
    images
        Shape ``(N, S, S, 1)``, float32 in 0…1.
    classes
        Shape ``(N,)``, integers in 0…9.
    epochs
        Passes through the images.
    seed
        Of the weights, the order of the images and dropout; it is that of Keras, NumPy and Python from then on.
    progress
        Called as ``progress(done, total, stage)`` after each epoch.
    batch
        Images of one step.
    plain
        The network of :func:`build_plain`, not that of :func:`build`.
    """
    keras.utils.set_random_seed(seed)
    network = build_plain() if plain else build(images.shape[1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fast = not plain and images.shape[1] > 8
    network.compile(optimizer=keras.optimizers.Adam(4e-3 if fast else 2e-3), loss=loss)
    stage = "train the Keras network"
    progress(0, epochs, stage)
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1, epochs, stage))
    network.fit(images, classes, batch_size=batch, epochs=epochs, verbose=0, callbacks=[report])
    return network


def outputs(network: Any, images: Array) -> Array:
    """Logits of images of shape ``(N, S, S, 1)``: shape ``(N, 10)``, float32."""
    return np.asarray(network(images, training=False))


def accuracy(network: Any, images: Array, classes: Array) -> float:
    """Share of images, shape ``(N, S, S, 1)``, whose largest logit is that of their class, shape ``(N,)``."""
    return float((outputs(network, images).argmax(axis=1) == classes).mean())


def for_size(network: Any, height: int, width: int) -> Any:
    """The same layers for images of another size, if the network takes the largest values of its last maps."""
    image = value = keras.Input((height, width, 1), name="digits")
    for layer in network.layers:
        value = layer(value)
    return keras.Model(image, value)
