"""Arrays that rows of several families of operators have as inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "BIG", "BOOL", "BYTES", "DIVISOR", "IMAGE", "INTEGERS", "LINE", "SIGNED", "SIGNED_BYTES", "SMALL", "TIED", "VOLUME",
    "ZERO", "Array", "float32s", "integers", "ints", "positive", "uniform",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def uniform(*shape: int, seed: int = 0, low: float = -2, high: float = 2) -> Array:
    """Random doubles, the same ones for the same seed and shape."""
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


def positive(*shape: int) -> Array:
    return uniform(*shape, low=0.2, high=2)


def integers(*shape: int, low: int = -9, high: int = 9, dtype: str = "int64", seed: int = 0) -> Array:
    """Random integers, the same ones for the same seed and shape."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def ints(*values: int) -> Array:
    """A vector of sizes, axes or indices."""
    return np.array(values, dtype=np.int64)


def float32s(*arrays: Any) -> tuple[Array, ...]:
    """Each of them in single precision."""
    return tuple(np.asarray(array, np.float32) for array in arrays)


IMAGE = uniform(2, 6, 9, 11)
LINE, VOLUME = uniform(2, 3, 7), uniform(2, 2, 3, 4, 5)
TIED = np.array([[1.0, 3.0, 3.0, -1.0], [0.0, 0.0, -2.0, 0.0]])
BOOL = np.array([[True, False, True], [False, False, True]])
INTEGERS = np.array([[5, 6, 7], [1, 2, 12]])
SIGNED, DIVISOR = integers(3, 4), np.array([[3, -2, 5, -4]])
BIG = np.array([[2**63 + 5, 7, 2**40 + 1], [3, 2**63 - 1, 2**33]], dtype=np.uint64)
SMALL = np.array([[3, 7, 2**40], [5, 11, 2**33 + 1]], dtype=np.uint64)
BYTES = np.random.default_rng(3).integers(0, 255, (2, 3, 7, 8)).astype(np.uint8)
SIGNED_BYTES = np.random.default_rng(4).integers(-128, 127, (4, 3, 3, 2)).astype(np.int8)
#: the zero point of quantised values
ZERO = np.uint8(7)
