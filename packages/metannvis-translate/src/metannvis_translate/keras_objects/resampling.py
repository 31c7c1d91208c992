"""Interpolation of tensors whose sizes are known when the model runs.

See :class:`~metannvis_translate.importing.resampling.Line`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["Resample"]


def Resample(  # noqa: N802
    x: Any,
    *sizes: Any,
    axes: Sequence[int],
    scales: Sequence[float] | None,
    lengths: Sequence[int | None],
    mode: str,
    coordinates: str,
    rounding: str,
    a: float,
) -> Any:
    """Axes resized one after the other, by ``scales``, or to ``lengths``, those that are ``None`` given as tensors."""
    left = iter(sizes)
    shape = list(x.shape)
    for k, axis in enumerate(axes):
        old = tf.shape(x, out_type=tf.int64)[axis]
        if scales is None:
            known = lengths[k]
            new = tf.cast(next(left) if known is None else known, tf.int64)
            scale = tf.cast(new, tf.float64) / tf.cast(old, tf.float64)
            shape[axis] = known
        else:
            scale = tf.constant(scales[k], tf.float64)
            new = tf.cast(tf.floor(tf.cast(old, tf.float64) * scale), tf.int64)
            shape[axis] = None
        at = _positions(old, new, scale, coordinates)
        if mode == "nearest":
            if coordinates == "asymmetric" and scales is None:  # as PyTorch rounds
                ratio = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
                at = tf.cast(tf.range(new), tf.float32) * ratio
            x = tf.gather(x, _clipped(_rounded(at, rounding), old), axis=axis)
        else:
            x = _weighted(x, at, old, axis, mode, a)
    return tf.ensure_shape(x, shape)


def _positions(old: Any, new: Any, scale: Any, coordinates: str) -> Any:
    """Where each new element lies among the old ones."""
    at = tf.cast(tf.range(new), tf.float64)
    if coordinates == "align_corners":
        return at * tf.cast(old - 1, tf.float64) / tf.cast(tf.maximum(new - 1, 1), tf.float64)
    if coordinates == "asymmetric":
        return at / scale
    return (at + 0.5) / scale - 0.5


def _rounded(at: Any, rounding: str) -> Any:
    if rounding == "floor":
        return tf.floor(at)
    if rounding == "ceil":
        return tf.math.ceil(at)
    return tf.math.ceil(at - 0.5) if rounding == "round_prefer_floor" else tf.floor(at + 0.5)


def _clipped(at: Any, old: Any) -> Any:
    return tf.clip_by_value(tf.cast(at, tf.int64), tf.zeros([], tf.int64), old - 1)


def _weighted(x: Any, at: Any, old: Any, axis: int, mode: str, a: float) -> Any:
    """Each new element a sum of two (linear) or four (cubic) neighbours; beyond the ends is what lies at the ends."""
    low = tf.floor(at)
    along = [-1 if k == axis else 1 for k in range(len(x.shape))]
    total = 0.0
    for step in (0, 1) if mode == "linear" else (-1, 0, 1, 2):
        distance = tf.abs(at - low - step)
        if mode == "linear":
            weight = 1.0 - distance
        else:
            near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
            far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
            weight = tf.where(distance <= 1, near, tf.where(distance < 2, far, tf.zeros_like(far)))
        part = tf.gather(x, _clipped(low + step, old), axis=axis)
        total += part * tf.reshape(tf.cast(weight, x.dtype), along)
    return total
