"""Boxes in images: which of them overlap, and what an image holds inside them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["NonMaxSuppression", "RoiAlign"]


def NonMaxSuppression(  # noqa: N802
    boxes: Any, scores: Any, limit: Any, overlap: Any, least: Any = None, *, centre: bool
) -> Any:
    """``(batch, class, box)`` of the boxes that are kept: the best ones, and those that do not overlap them too much.

    One box of each class is chosen at a time: the best of those that are left.
    """
    a, b = boxes[..., :2], boxes[..., 2:]
    low, high = (a - b / 2, a + b / 2) if centre else (tf.minimum(a, b), tf.maximum(a, b))
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    low, high = (tf.gather(x, order, batch_dims=1) for x in (low, high))  # (batch, class, box, 2)
    area = tf.reduce_prod(high - low, -1)
    left = tf.ones_like(order, tf.bool)
    if least is not None:
        left = tf.gather(scores, order, batch_dims=2) > tf.cast(tf.reshape(least, []), scores.dtype)
    bound = tf.cast(tf.reshape(overlap, []), area.dtype)
    most = tf.minimum(tf.cast(tf.reshape(limit, []), tf.int32), tf.shape(scores)[2])
    chosen = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=order.shape[:2])

    def step(count: Any, left: Any, chosen: Any) -> Any:
        best = tf.argmax(tf.cast(left, tf.int8), -1, output_type=tf.int32)[..., None]
        least_corner, most_corner, size = (tf.gather(x, best, batch_dims=2) for x in (low, high, area))
        shared = tf.maximum(tf.minimum(high, most_corner) - tf.maximum(low, least_corner), 0)
        common = tf.reduce_prod(shared, -1)
        # zero over zero is no number, which is not more than anything
        rest = tf.logical_and(left, tf.logical_not(common / (area + size - common) > bound))
        rest = tf.logical_and(rest, tf.range(tf.shape(left)[2]) != best)
        found = tf.where(tf.reduce_any(left, -1), tf.gather(order, best, batch_dims=2)[..., 0], -1)
        return count + 1, rest, chosen.write(count, found)

    count, _, chosen = tf.while_loop(
        lambda count, left, chosen: tf.logical_and(count < most, tf.reduce_any(left)),
        step,
        (0, left, chosen),
        shape_invariants=(tf.TensorShape([]), left.shape, tf.TensorShape(None)),
    )
    shape = tf.concat([[count], tf.shape(order)[:2]], 0)
    rows = tf.transpose(tf.reshape(chosen.stack(), shape), (1, 2, 0))  # (batch, class, chosen)
    places = tf.where(rows >= 0)
    box = tf.cast(tf.gather_nd(rows, places), tf.int64)
    return tf.stack([places[:, 0], places[:, 1], box], -1)


def _points(first: Any, length: Any, cells: int, ratio: int, size: Any) -> tuple[Any, ...]:
    """The points ``(regions, cells, points)`` that are read along an axis: two pixels, their weights, which points there are.

    Cells of regions of different sizes have different numbers of points, of which the largest is taken.
    """
    dtype = first.dtype
    if ratio:
        number = tf.fill(tf.shape(length), tf.cast(ratio, dtype))
        most: Any = ratio
    else:
        number = tf.maximum(tf.math.ceil(length / cells), 0)
        most = tf.maximum(tf.cast(tf.reduce_max(tf.concat([number, tf.ones([1], dtype)], 0)), tf.int32), 1)
    point, cell = tf.cast(tf.range(most), dtype), tf.cast(tf.range(cells), dtype)[:, None]
    share = (point + 0.5) / tf.maximum(number, 1)[:, None, None]
    at = first[:, None, None] + (cell + share) * (length / cells)[:, None, None]
    last = tf.cast(size - 1, dtype)
    within = tf.cast(tf.logical_and(at >= -1, at <= last + 1), dtype)
    at = tf.clip_by_value(at, tf.zeros([], dtype), last)
    low = tf.floor(at)
    there = tf.broadcast_to(point < number[:, None, None], tf.shape(at))
    before, after = tf.cast(low, tf.int32), tf.cast(tf.minimum(low + 1, last), tf.int32)
    return before, after, (1 - (at - low)) * within, (at - low) * within, there


def RoiAlign(  # noqa: N802
    image: Any, rois: Any, batch: Any, *, height: int, width: int, ratio: int, scale: float, half: bool, largest: bool
) -> Any:
    """Regions ``(regions, 4)`` of channels-last images, each in cells of which some points are averaged (or the largest taken).

    Without a ratio a cell has a point a pixel, so that how many are read depends on the regions.

    References
    ----------
    K. He et al., "Mask R-CNN", 2017, section 3.
    """
    sizes = tf.shape(image)
    corners = rois * scale - (0.5 if half else 0.0)
    axes = []
    for axis, count in enumerate((height, width)):
        first, last = corners[:, 1 - axis], corners[:, 3 - axis]
        length = last - first if half else tf.maximum(last - first, 1)
        axes.append(_points(first, length, count, ratio, sizes[1 + axis]))
    (top, bottom, *rows, below), (left, right, *columns, beside) = axes
    pixels = tf.reshape(image, [-1, sizes[3]])
    start = (tf.cast(batch, tf.int32) * sizes[1])[:, None, None]
    # (regions, rows, points, columns, points, 1)
    there = tf.logical_and(below[:, :, :, None, None], beside[:, None, None])[..., None]
    parts = []
    for row, down in zip((top, bottom), rows, strict=True):
        for column, along in zip((left, right), columns, strict=True):
            index = (start + row)[:, :, :, None, None] * sizes[2] + column[:, None, None]
            weight = down[:, :, :, None, None] * along[:, None, None]
            parts.append(tf.gather(pixels, index) * weight[..., None])
    zero = tf.zeros([], image.dtype)
    if largest:  # of the four weighted corners, as the standard's evaluators do
        highest = tf.maximum(tf.maximum(parts[0], parts[1]), tf.maximum(parts[2], parts[3]))
        highest = tf.reduce_max(tf.where(there, highest, tf.cast(-float("inf"), image.dtype)), (2, 4))
        result = tf.where(tf.reduce_any(there, (2, 4)), highest, zero)
    else:
        total = tf.reduce_sum(tf.where(there, parts[0] + parts[1] + parts[2] + parts[3], zero), (2, 4))
        count = tf.reduce_sum(tf.cast(there, image.dtype), (2, 4))
        result = total / tf.maximum(count, 1)
    return tf.ensure_shape(result, [None, height, width, image.shape[-1]])
