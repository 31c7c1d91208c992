"""XRAI: regions by the attributions that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError, MissingFrameworkError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.scoring import gradients, rows_at_once
from metannvis_methods.toolsets.metannvis.method import Method

__all__ = ["Xrai", "felzenszwalb_regions", "ranked_regions"]

Array = np.ndarray[Any, Any]
#: Of images with sides of 224: scales of the segmentations, width of the blur before them, places of the smallest segment, by
#: how many segments are dilated, and places that a region has to add.
SIDE, SCALES, SIGMA, SMALLEST, DILATION, ADDS = 224, (50, 100, 150, 250, 500, 1200), 0.8, 150, 5, 50


class Xrai(Method):
    """Regions, the one with the most attribution a place first (Kapishnikov et al., 2019, arXiv:1906.02825).

    Integrated gradients from black and from white, their mean, the largest over the channels; then, of overlapping segments of
    several scales, the one whose places that are not taken yet have the largest mean is taken, and so on.
    """

    @staticmethod
    def counts(call: MethodCall) -> dict[str, int]:
        """Baselines that are given, else black and white."""
        (given,) = in_order(call.option("distribution")) or ((0, 1),)
        return {"baselines": len(given)}

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        feature_mask: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 100,
    ) -> MethodOutput:
        """For each place the mean attribution of the region that it was taken with, shape ``(N, places…)``.

        Parameters
        ----------
        baselines
            Baselines whose integrated gradients are averaged, on axis 0; ``None``: the smallest and the largest number of each
            sample.
        feature_mask
            Regions, the same for every channel; ``None``: Felzenszwalb's segments of an image, at six scales, each dilated.
        n_steps
            Steps from each baseline.

        Raises
        ------
        InvalidArgumentError
            There are several inputs, or one that is no image and has no feature mask.
        MissingFrameworkError
            Segments are made by scikit-image, which is not installed.
        """
        call = self.call
        if len(call.inputs) > 1:
            raise InvalidArgumentError("xrai takes regions of one input: give the others as additional_forward_args")
        (x,), (axes,) = call.inputs, call.axes
        channels = tuple(k for k, letter in enumerate(axes) if letter in "CF" and k)
        attributions = to_numpy(self._integrated(x, baselines, n_steps, additional_forward_args)).astype(np.float64)
        flat = attributions.max(axis=channels) if len(channels) < attributions.ndim - 1 else attributions
        images = to_numpy(x)
        maps = []
        for k, values in enumerate(flat):
            if feature_mask is None:
                regions = felzenszwalb_regions(_as_image(images[k], axes))
                adds = ADDS * (max(values.shape) / SIDE) ** 2
            else:
                (mask,) = in_order(feature_mask)
                labels = to_numpy(mask)[k if len(mask) > 1 else 0]
                if labels.ndim > values.ndim:
                    labels = np.broadcast_to(labels, images[k].shape).max(axis=tuple(axis - 1 for axis in channels))
                labels = np.broadcast_to(labels, values.shape)
                regions, adds = [labels == label for label in np.unique(labels)], 1
            maps.append(ranked_regions(values, regions, adds))
        return MethodOutput(self.as_given([np.stack(maps).astype(images.dtype)]), channels=flat.ndim == images.ndim)

    def _integrated(self, x: torch.Tensor, baselines: Any, n_steps: int, extra: Any) -> torch.Tensor:
        """Mean of the integrated gradients from each baseline, midpoint rule."""
        rest = tuple(range(1, x.ndim))
        ends: Sequence[torch.Tensor] = (x.amin(rest, keepdim=True), x.amax(rest, keepdim=True))
        if baselines is not None:
            (given,) = in_order(baselines)
            ends = [row[None].to(x) for row in given]
        total, at_once = torch.zeros_like(x), rows_at_once(self.call)
        for end in ends:
            difference = x - end
            for start in range(0, n_steps, at_once):
                shares = [(step + 0.5) / n_steps for step in range(start, min(start + at_once, n_steps))]
                _, (slopes,) = gradients(self.call, [torch.cat([end + share * difference for share in shares])], extra)
                total += slopes.reshape(len(shares), *x.shape).sum(0) * difference
        return total / (n_steps * len(ends))


def _as_image(sample: Array, axes: str) -> Array:
    """One sample as ``(H, W, C)``, values in −1…1."""
    letters = axes[1:]
    if "H" not in letters or "W" not in letters or len(letters) != 3:
        raise InvalidArgumentError(
            f"xrai makes segments of images, and the input lies as {axes}: give feature_mask, the regions to choose from"
        )
    image = np.transpose(
        sample, [letters.index("H"), letters.index("W"), *({0, 1, 2} - {letters.index("H"), letters.index("W")})]
    )
    low, high = float(image.min()), float(image.max())
    return (image - low) / (high - low or 1.0) * 2 - 1


def felzenszwalb_regions(image: Array) -> list[Array]:
    """Segments of an image of shape ``(H, W, C)``, values in −1…1, at all scales, each dilated."""
    try:
        from skimage.morphology import dilation, disk
        from skimage.segmentation import felzenszwalb
    except ImportError as error:
        raise MissingFrameworkError(
            "xrai makes segments by scikit-image, which is not installed: pip install 'metannvis-methods[images]', or give "
            "feature_mask"
        ) from error
    share = max(image.shape[:2]) / SIDE
    around = disk(round(DILATION * share))
    found = []
    for scale in SCALES:
        labels = felzenszwalb(
            image, scale=scale * share**2, sigma=SIGMA, min_size=max(1, round(SMALLEST * share**2)), channel_axis=-1
        )
        found += [dilation((labels == label).astype(np.uint8), around).astype(bool) for label in np.unique(labels)]
    return found


def ranked_regions(attributions: Array, regions: Sequence[Array], adds: float) -> Array:
    """Places by the mean attribution of the region that they are taken with, the largest first.

    Parameters
    ----------
    attributions
        One a place.
    regions
        Which places each region has.
    adds
        Fewest places that a region has to have beside those that are taken. Places that none takes are a region at the end.
    """
    taken = np.zeros(attributions.shape, bool)
    ranked, left = np.zeros_like(attributions), list(regions)
    while True:
        new = [region & ~taken for region in left]
        kept = [k for k, places in enumerate(new) if places.sum() >= max(adds, 1)]
        if not kept:
            break
        gains = [attributions[new[k]].mean() for k in kept]
        best = int(np.argmax(gains))
        ranked[new[kept[best]]] = gains[best]
        taken |= new[kept[best]]
        left = [left[k] for place, k in enumerate(kept) if place != best]
    if not taken.all():
        ranked[~taken] = attributions[~taken].mean()
    return ranked
