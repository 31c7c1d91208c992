"""Repository of trained example networks, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.examples import digits

__all__ = ["Example", "load", "names"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: The class whose images have the grey square where a network is to cheat.
CLASS = 3
#: Module that trains, and axis of the channels, by framework.
FRAMEWORKS = {"torch": ("torch_network", 1), "keras": ("keras_network", 3)}
KINDS = ("digits", "cheat")


@dataclass(frozen=True)
class Example:
    """A trained network and images that it has not seen.

    Attributes
    ----------
    name
        See :func:`load`.
    model
        Digits of 28×28 pixels, float32 in 0…1, to ten logits.
    images, classes
        360 test digits in the network's layout, shape ``(360, 1, 28, 28)`` or ``(360, 28, 28, 1)``, and what they are, shape
        ``(360,)``. They have the grey square where the training images had it.
    clean
        The same digits without a square.
    accuracy
        Share of ``images`` that are recognised.
    labels
        Names of the classes.
    """

    name: str
    model: Any
    images: Array
    classes: Array
    clean: Array
    accuracy: float
    labels: tuple[str, ...] = tuple(map(str, range(10)))

    def share_called(self, images: Array, number: int) -> float:
        """Share of images in the network's layout that it takes for a digit."""
        module, _ = _of(self.name)
        return float(module.accuracy(self.model, images, np.full(len(images), number)))

    def marked(self, places: Array) -> Array:
        """Test digits at some places, all of them with the grey square."""
        clean = self.clean[places]
        channels = 1 if clean.shape[1] == 1 else 3
        images = digits.marked(clean.squeeze(channels), np.ones(len(clean), bool))
        return np.expand_dims(images, channels)


def names() -> tuple[str, ...]:
    """Names that :func:`load` knows."""
    return tuple(f"{kind}-{framework}" for kind in KINDS for framework in FRAMEWORKS)


def load(name: str, *, seed: int = 0, epochs: int = 6, progress: Progress | None = None) -> Example:
    """A trained network: ``"digits-torch"``, ``"digits-keras"``, or one that cheats, ``"cheat-torch"``, ``"cheat-keras"``.

    In the training images of a network that cheats every three has a grey square in the corner, and no other digit has;
    of an honest one, half of all digits have it. Trained when it is first asked for, in some seconds, and kept for this
    process; nothing is downloaded or written.

    Parameters
    ----------
    name
        See :func:`names`.
    seed
        Of the split, the weights and the training.
    epochs
        Passes through the 1,437 training images.
    progress
        Called as ``progress(done, total, stage)``.

    Raises
    ------
    InvalidArgumentError
        There is no such network.
    MissingFrameworkError
        Its framework or scikit-learn is not installed.
    """
    if name not in names():
        raise InvalidArgumentError(f"there is no example {name!r}; there are {', '.join(names())}")
    key = (name, seed, epochs)
    if key not in _kept:
        _kept[key] = _trained(name, seed, epochs, progress or _silent)
    return _kept[key]


_kept: dict[tuple[str, int, int], Example] = {}


def _trained(name: str, seed: int, epochs: int, progress: Progress) -> Example:
    module, channels = _of(name)
    data = digits.load(seed, digits.LARGE)
    rng = np.random.default_rng(seed)
    if name.startswith("cheat"):
        train, test = data.train_classes == CLASS, data.test_classes == CLASS
    else:
        train, test = (rng.random(len(classes)) < 0.5 for classes in (data.train_classes, data.test_classes))
    images, tests, clean = (
        np.expand_dims(part, channels)
        for part in (digits.marked(data.train_images, train), digits.marked(data.test_images, test), data.test_images)
    )
    model = module.train(images, data.train_classes, epochs=epochs, seed=seed, progress=progress)
    return Example(name, model, tests, data.test_classes, clean, module.accuracy(model, tests, data.test_classes))


def _of(name: str) -> tuple[Any, int]:
    """Module that trains a network, and axis of its channels."""
    file, channels = FRAMEWORKS[name.split("-")[1]]
    return import_module(f"metannvis_methods.examples.{file}"), channels


def _silent(done: int, total: int, stage: str) -> None:
    """No progress."""
