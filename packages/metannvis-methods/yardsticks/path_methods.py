"""Guided IG, Blur IG and XRAI of the package saliency, in an environment of its own, for the tests of ours.

pip install saliency==0.2.1 numpy==1.26.4 scikit-image scipy
python yardsticks/path_methods.py tests/toolsets/metannvis/path_methods.npz
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import saliency.core as saliency
from saliency.core import xrai

SHAPE = (20, 16, 2)


def photograph() -> Any:
    """An image with soft and sharp borders, shape (224, 224, 3)."""
    soft = np.add.outer(np.sin(np.arange(224) / 17), np.cos(np.arange(224) / 23))[..., None] * np.array(
        [0.4, 0.2, -0.3]
    )
    return soft + 0.05 * np.random.default_rng(5).standard_normal(soft.shape)


def main(path: str) -> None:
    """Write inputs, weights and what the methods give."""
    random = np.random.default_rng(0)
    weights = random.standard_normal((3, *SHAPE)).astype(np.float32) / 10
    image = random.uniform(0, 1, SHAPE).astype(np.float32)
    baseline = random.uniform(0, 0.3, SHAPE).astype(np.float32)

    def gradients(x: Any, call_model_args: Any = None, expected_keys: Any = None) -> dict[str, Any]:
        """Of the sum of tanh(w_k x)."""
        slopes = 1 - np.tanh(np.einsum("nhwc,khwc->nk", np.asarray(x, float), weights)) ** 2
        return {saliency.INPUT_OUTPUT_GRADIENTS: np.einsum("nk,khwc->nhwc", slopes, weights)}

    found = {
        "guided": saliency.GuidedIG().GetMask(
            image, gradients, None, x_steps=50, x_baseline=baseline, fraction=0.25, max_dist=0.1
        ),
        "blur": saliency.BlurIG().GetMask(image, gradients, None, max_sigma=4, steps=400, batch_size=100),
    }
    attribution = random.standard_normal(SHAPE[:2])
    across, down = np.arange(SHAPE[1])[None] // 8, np.arange(SHAPE[0])[:, None] // 4
    segments = [(across == i) & (down // 2 == j) for i in range(2) for j in range(3)] + [
        across + 0 * down == i for i in range(2)
    ]
    found["xrai"] = saliency.XRAI().GetMask(
        image, gradients, None, segments=segments, base_attribution=np.repeat(attribution[..., None], 2, -1)
    )
    regions = xrai._get_segments_felzenszwalb(photograph(), resize_image=True, scale_range=[-1.0, 1.0], dilation_rad=5)
    found["regions"] = np.array([[region.sum(), *np.argwhere(region).sum(0)] for region in regions])
    np.savez_compressed(
        path,
        weights=weights,
        image=image,
        baseline=baseline,
        attribution=attribution,
        **found,
    )


if __name__ == "__main__":
    main(sys.argv[1])
