"""The zoo of Keras: ``keras.applications``, the smallest member of each family, with random weights that are sane.

A member is called ``keras/VGG16``. As in the zoo of PyTorch, what is constant becomes random around its value, and batch
statistics become what the network really has on random inputs, moved a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .members import LISTS
from .randomize import JITTER, Way

__all__ = ["Member", "calibrate", "find", "names"]

Array = np.ndarray[Any, Any]
#: Not square, since a square hides a swapped axis; as small as the family allows.
IMAGE = (64, 96, 3)
IMAGES = {"InceptionV3": (80, 96, 3), "InceptionResNetV2": (80, 96, 3), "Xception": (72, 96, 3)}
CLASSES = 10


@dataclass(frozen=True)
class Member:
    """A network of ``keras.applications``."""

    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image, without the batch."""
        return IMAGES.get(self.key, IMAGE)

    @property
    def key(self) -> str:
        """Name of its builder."""
        return self.name.partition("/")[2]

    def make(self) -> Any:
        """The network, with weights that nobody trained."""
        import keras

        keras.utils.set_random_seed(0)
        build = getattr(keras.applications, self.key)
        return build(weights=None, input_shape=self.shape, classes=CLASSES)

    def inputs(self, batch: int, seed: int, dtype: str = "float32") -> list[Array]:
        """Fresh images, in the range that the network takes: some hold their own preprocessing."""
        random = np.random.default_rng([seed, batch])
        image = random.standard_normal((batch, *self.shape))
        if self.key.startswith(("EfficientNet", "MobileNetV3", "ConvNeXt")):
            image = 127.5 + 60 * image
        return [image.astype(dtype)]


def names() -> tuple[str, ...]:
    """Every member."""
    return tuple(f"keras/{name}" for name in LISTS["keras"]["members"].values())


def find(name: str) -> Member:
    """The member of that name."""
    if name not in names():
        raise KeyError(name)
    return Member(name)


def calibrate(model: Any, run: Callable[[Any], Any], way: Way, seed: int = 0) -> Any:
    """Randomise what is constant, then take batch statistics from ``run(model)``, which calls it in training mode.

    ``way`` is one of :data:`randomize.WAYS`.
    """
    import keras

    random = np.random.default_rng(seed)
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    named = [layer for layer in model._flatten_layers() if "Normalization" in type(layer).__name__]
    offsets, scales = ({id(getattr(layer, name, None)) for layer in named} for name in ("beta", "gamma"))
    for weight in model.trainable_weights:
        array = np.asarray(weight.value)
        if array.size == 0 or array.min() != array.max():
            continue
        value = float(array.flat[0])
        if id(weight) in offsets:
            weight.assign(random.uniform(way.low, way.high, array.shape))
        elif value == 0:
            weight.assign(random.uniform(-0.1, 0.1, array.shape))
        elif abs(value) < 0.1:  # a layer scale at its start
            weight.assign(random.uniform(0.1, 0.4, array.shape))
        else:
            gain = way.gain if id(weight) in scales else 1.0
            weight.assign(gain * value * random.uniform(0.7, 1.3, array.shape))
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # statistics become those of the batch at once
    run(model)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        mean, variance = (np.asarray(w.value, np.float64) for w in (norm.moving_mean, norm.moving_variance))
        variance = np.maximum(np.maximum(variance, way.floor * mean**2), max(1e-6, way.usual * np.median(variance)))
        norm.moving_mean.assign(mean + random.uniform(-JITTER, JITTER, mean.shape) * np.sqrt(variance))
        norm.moving_variance.assign(variance * random.uniform(1 - JITTER, 1 + JITTER, mean.shape))
    return model
