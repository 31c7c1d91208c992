"""A small convolutional network in Keras, channels last, as its users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

__all__ = ["accuracy", "build", "train"]

Array = np.ndarray[Any, Any]


def build() -> Any:
    """Digits of shape ``(N, 8, 8, 1)`` to ten logits."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="digit"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(name="relu2"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dense(10, name="classes"),
        ],
        name="digits",
    )


def train(
    images: Array, classes: Array, *, epochs: int, seed: int, progress: Callable[[int, int, str], None], batch: int = 32
) -> Any:
    """A network trained with Adam.

    Parameters
    ----------
    images
        Shape ``(N, 8, 8, 1)``, float32.
    classes
        Shape ``(N,)``, integers.
    """
    keras.utils.set_random_seed(seed)
    network = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss)
    stage = "train the Keras network"
    progress(0, epochs, stage)
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1, epochs, stage))
    network.fit(images, classes, batch_size=batch, epochs=epochs, verbose=0, callbacks=[report])
    return network


def accuracy(network: Any, images: Array, classes: Array) -> float:
    """Share of images whose largest logit is their class's."""
    predicted = np.asarray(network(images, training=False)).argmax(axis=1)
    return float((predicted == classes).mean())
