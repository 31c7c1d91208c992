"""Similarity of units and concepts by the images that drive a unit: soft weighted pointwise mutual information."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.toolsets.metannvis.uncertainty.probabilities import softmax

__all__ = ["soft_wpmi"]

Array = np.ndarray[Any, Any]


def soft_wpmi(
    top_images: Array,
    similarities: Array,
    *,
    scale: float = 10.0,
    first: float = 0.998,
    last: float = 0.97,
    weight: float = 1.0,
) -> Array:
    """Soft WPMI of CLIP-Dissect (Oikarinen & Weng, 2023, arXiv:2204.10965).

    ``log p(c | unit) = Σ_i log(1 − p_i + p_i · s_ic)`` over the top images, ``s`` the softmax over concepts of ``scale`` times
    the similarities, less ``weight`` times the logarithm of its mean (of p, not of the logarithm) over units.

    Parameters
    ----------
    top_images
        Places of the images that drive each unit most, the strongest first, shape ``(units, count)``.
    similarities
        Of images and concepts, shape ``(N, concepts)``.
    first, last
        Probabilities that the strongest and the last of the top images belong to what the unit stands for, linear between.
    weight
        Of the prior of a concept.

    Returns
    -------
    numpy.ndarray
        Shape ``(units, concepts)``, float64; larger is more alike.
    """
    shares = softmax(scale * similarities, 1)
    p = np.linspace(first, last, top_images.shape[1])[:, None]
    given = np.stack([np.log(1 - p + p * shares[row]).sum(0) for row in top_images])
    largest = given.max(0)
    prior = largest + np.log(np.exp(given - largest).mean(0))
    found: Array = given - weight * prior
    return found
