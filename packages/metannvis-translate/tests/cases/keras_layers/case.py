"""What a row of the tables of Keras networks says, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from metannvis_translate.frameworks.registry import get_framework

__all__ = ["Network", "inputs_of", "one_layer"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Network:
    """A network made of one class of layers of Keras, and what belongs to it.

    Attributes
    ----------
    key
        Name of the class in ``keras.layers``.
    name
        What is special about this one.
    make
        Builds the model.
    below
        The integers that go in are below this one.
    padded
        Some of the steps that go in hold nothing but zeros, in one sample all.
    single
        What Keras computes in single precision in double, so that it is held to 1e-6.
    double
        TensorFlow computes it in double precision.
    batches
        Batch sizes.
    """

    key: str
    name: str
    make: Callable[[], Any]
    below: int = 2
    padded: bool = False
    single: str = ""
    double: bool = True
    batches: tuple[int, ...] = (1, 2, 5)

    def __str__(self) -> str:
        return f"{self.key}-{self.name}"


def one_layer(make: Callable[[], Any], *shapes: Sequence[int | None], dtype: str | None = None) -> Callable[[], Any]:
    """A model of one layer called on inputs of these shapes, without the batch."""

    def build() -> Any:
        import keras

        inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
        given = inputs[0] if len(inputs) == 1 else inputs
        return keras.Model(given, make()(given))

    return build


def inputs_of(model: Any, batch: int, dtype: str, *, below: int = 2, padded: bool = False) -> list[Array]:
    """Inputs that the translation has not seen."""
    random = np.random.default_rng(100 + batch)
    found = []
    for array in get_framework("tensorflow").example_inputs(model, batch, 10 + batch):
        if array.dtype.kind != "f":
            array = random.integers(0, 2 if array.dtype.kind == "b" else below, array.shape).astype(array.dtype)
        elif padded and array.ndim > 2:
            array[random.random(array.shape[:2]) < 0.4] = 0
            if batch > 2:
                array[1] = 0
        found.append(array.astype(dtype) if array.dtype.kind == "f" else array)
    return found
