"""Enlargement of activations to the size of masks: bilinear, edge to edge."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["enlarged"]

Array = np.ndarray[Any, Any]


def enlarged(maps: Array, size: tuple[int, int]) -> Array:
    """Maps of another size by bilinear interpolation, the outer edges of both on each other.

    The centre of pixel ``i`` of ``n`` lies at ``(i + ½) / n``; beyond the outermost centres the values stay (as
    ``torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False)`` and ``tf.image.resize``).

    Parameters
    ----------
    maps
        Shape ``(…, h, w)``.
    size
        Height and width.

    Returns
    -------
    numpy.ndarray
        Shape ``(…, height, width)``, float64.
    """
    height, width = size
    rows, columns = _weights(maps.shape[-2], height), _weights(maps.shape[-1], width)
    found: Array = rows @ maps.astype(np.float64) @ columns.T
    return found


@lru_cache(maxsize=64)
def _weights(old: int, new: int) -> Array:
    """Weight of each old pixel in each new one, shape ``(new, old)``."""
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(np.floor(places).astype(int), max(old - 2, 0))
    share = places - low
    found = np.zeros((new, old))
    found[np.arange(new), low] += 1 - share
    found[np.arange(new), np.minimum(low + 1, old - 1)] += share
    return found
