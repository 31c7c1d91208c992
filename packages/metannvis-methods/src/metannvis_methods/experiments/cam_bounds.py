"""Bounds of class activation maps: what a map that weighs whole channels of a layer can have in a region at most."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods import explain

__all__ = ["bounds"]

Array = np.ndarray[Any, Any]


def bounds(model: Any, images: Array, layer: str, region: Array) -> list[tuple[str, float, float]]:
    """Why Grad-CAM and its like are, or are not, in a region.

    A map ``Σ w_k A_k`` with weights that are not negative has no larger share in the region than the channel that has the
    largest: where every channel is active elsewhere, no choice of weights helps. HiResCAM, the same product of gradient and
    activation without the mean of the gradient over places, is not bound by it.

    Parameters
    ----------
    model, images
        A network of digits, and images of 28×28 pixels in its layout.
    layer
        Whose maps are as large as the images.
    region
        True and false, shape ``(28, 28)``.

    Returns
    -------
    Rows of what the map is, its mean share in the region in units of chance, and in the region widened by the reach of a
    convolution of 3×3, in units of the chance of that.
    """
    words: dict[str, Any] = {"layer": layer, "unfit": "ignore"}
    activation = explain(model, "layer_activation", images, toolset="captum", **words)
    channels = np.moveaxis(np.abs(np.asarray(activation.values, np.float64)), activation.axes.index("C"), 1)
    wide = _widened(region)
    best = max(range(channels.shape[1]), key=lambda k: _times_chance(channels[:, k], region))
    rows = [
        ("activation of the channel that has most there", channels[:, best]),
        ("activations, summed over channels", channels.sum(1)),
    ]
    for method, name in (
        ("grad_cam", "Grad-CAM: gradients in the mean over places"),
        ("hires_cam", "HiResCAM: gradients where they are"),
    ):
        found = explain(model, method, images, toolset="grad-cam", **words)
        rows.append((name, np.abs(np.asarray(found.values, np.float64))))
    return [(name, _times_chance(maps, region), _times_chance(maps, wide)) for name, maps in rows]


def _times_chance(maps: Array, region: Array) -> float:
    """Mean share of maps, shape ``(N, H, W)``, in a region, over the share that the region has of the pixels."""
    total = maps.sum((1, 2))
    inside = (maps * region).sum((1, 2))
    share = np.divide(inside, total, out=np.zeros(len(maps)), where=total > 0)
    return float(share.mean() / region.mean())


def _widened(region: Array) -> Array:
    """The region and the pixels around it."""
    padded = np.pad(region, 1)
    rows, columns = region.shape
    return np.any([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
