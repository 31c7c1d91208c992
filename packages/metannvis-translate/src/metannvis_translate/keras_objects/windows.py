"""Window functions and mel filters of computed sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["MelWeights", "Window"]


def Window(size: Any, *, parts: Sequence[float], periodic: bool, to: str) -> Any:  # noqa: N802
    """A window that is a sum of cosines, as long as ``size`` says."""
    size = tf.reshape(size, [])
    turns = tf.cast(tf.range(size), tf.float64) * (2 * math.pi)
    turns = turns / (tf.cast(size, tf.float64) - (0 if periodic else 1))
    a, b, c = parts
    return tf.cast(a - b * tf.cos(turns) + c * tf.cos(2 * turns), to)


def MelWeights(bins: Any, length: Any, rate: Any, lowest: Any, highest: Any, *, to: str) -> Any:  # noqa: N802
    """Triangular filters ``(frequencies, bins)`` whose corners are spread evenly over the mel scale."""
    double = tf.float64
    bins, length, rate, lowest, highest = (tf.reshape(x, []) for x in (bins, length, rate, lowest, highest))
    low, high = (2595 * tf.math.log1p(tf.cast(edge, double) / 700) / math.log(10) for edge in (lowest, highest))
    count = tf.cast(bins, tf.int32) + 2
    corners = low + tf.cast(tf.range(count), double) * ((high - low) / tf.cast(count, double))
    hertz = 700 * tf.math.expm1(corners / 2595 * math.log(10))
    at = tf.math.floordiv((tf.cast(length, double) + 1) * hertz, tf.cast(rate, double))
    left, middle, right = at[:-2], at[1:-1], at[2:]
    frequency = tf.cast(tf.range(tf.cast(length, tf.int32) // 2 + 1), double)[:, None]
    rising, falling = middle - left, right - middle
    up = tf.where(rising > 0, (frequency - left) / tf.maximum(rising, 1), tf.ones([], double))
    down = (right - frequency) / tf.maximum(falling, 1)
    inside = tf.where(tf.logical_and(frequency >= left, frequency <= middle), up, tf.zeros([], double))
    return tf.cast(tf.where(tf.logical_and(frequency >= middle, frequency < right), down, inside), to)
