"""Regions of places that are replaced together: patches of a grid, and segments of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra
from metannvis_methods.inputs.feature_masks import feature_mask
from metannvis_methods.metrics.spec import MetricCall

__all__ = ["SIDE", "order_of_regions", "patches", "segments"]

Array = np.ndarray[Any, Any]
#: Side of the images that sizes of papers are for.
SIDE = 224


def patches(sizes: Sequence[int], patch: Any, scaled: int) -> Array:
    """Patch that each place lies in, numbered from 0, shape ``sizes``; those at the far border may be cut.

    Parameters
    ----------
    patch
        Places along each axis of a patch; ``None``: as many as ``scaled`` are of 224.

    Raises
    ------
    InvalidArgumentError
        It is no whole number above 0.
    """
    if patch is None:
        patch = max(1, round(scaled * max(sizes) / SIDE))
    if isinstance(patch, bool) or not isinstance(patch, (int, np.integer)) or patch < 1:
        raise InvalidArgumentError(f"patch is a whole number of at least 1, not {patch!r}")
    found = np.zeros((), np.int64)
    for size in sizes:
        index = np.arange(size) // int(patch)
        found = found[..., None] * (int(index[-1]) + 1) + index
    return found


def segments(call: MetricCall, how: Any) -> Array:
    """Segment that each place lies in, numbered from 0, shape ``(N, places…)``.

    Parameters
    ----------
    how
        ``"slic"`` (scikit-image, 100 segments, as Quantus takes it); a word or an array as ``feature_mask`` of
        :func:`metannvis_methods.explain`.

    Raises
    ------
    InvalidArgumentError
        There is no such word, the array does not lie like the inputs, or ``"slic"`` is asked of what is no image.
    MissingFrameworkError
        scikit-image is not installed.
    """
    if isinstance(how, str) and how == "slic":
        if sorted(call.layout.letters) != ["H", "W"]:
            raise InvalidArgumentError(
                f"segments='slic' is for images, and the inputs have the axes {call.layout.axes}: 'grid', or an array"
            )
        slic = require_extra("skimage.segmentation", "images", "scikit-image").slic
        return np.stack([slic(image.astype(np.float64), start_label=0, channel_axis=-1) for image in call.inputs])
    axes = "N" + call.layout.letters + "C"
    mask = how
    if not isinstance(how, (str, tuple)):
        given = np.asarray(how)
        if given.shape not in ((call.samples, *call.places), call.places):
            raise InvalidArgumentError(f"segments have shape {given.shape}: it is {(call.samples, *call.places)}")
        mask = np.broadcast_to(given, (call.samples, *call.places))
    found = feature_mask(mask, call.inputs, axes)
    of_places = np.broadcast_to(found[..., 0], (call.samples, *call.places))
    return np.stack([np.unique(one, return_inverse=True)[1].reshape(call.places) for one in of_places])


def order_of_regions(values: Array, regions: Array, *, mean: bool) -> tuple[Array, Array]:
    """For each place, which place of the order its region has, 0 the first; and the number of regions of each sample.

    Parameters
    ----------
    values
        Maps ``(N, places…)``: regions with the largest sum, or mean, come first.
    regions
        Numbers from 0, shape ``(N, places…)`` or ``(places…)``.
    """
    regions = np.broadcast_to(regions, values.shape)
    found, counts = np.empty(values.shape, np.int64), np.empty(len(values), np.int64)
    for sample, (one, members) in enumerate(zip(values, regions, strict=True)):
        flat = members.reshape(-1)
        sums: Array = np.bincount(flat, one.reshape(-1))
        if mean:
            sums = sums / np.bincount(flat)
        order = np.empty(len(sums), np.int64)
        order[np.argsort(-sums, kind="stable")] = np.arange(len(sums))
        found[sample], counts[sample] = order[members], len(sums)
    return found, counts
