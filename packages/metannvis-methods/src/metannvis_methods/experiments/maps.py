"""What experiments measure of maps: how much of them lies where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods import evaluate
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.results.evaluation import Evaluation
from metannvis_methods.results.explanation import Explanation

__all__ = ["METRICS", "measured", "sanity_word", "signed_maps", "title"]

Array = np.ndarray[Any, Any]
#: Share of the magnitudes that lies in the object, and whether the largest value does.
METRICS: Mapping[str, Mapping[str, Any]] = {
    "mass_accuracy": {},
    "pointing_game": {"tolerance": 0},
}


def title(spec: MethodSpec) -> str:
    """``saliency (captum)``."""
    return f"{spec.key} ({spec.toolset})"


def sanity_word(spec: MethodSpec) -> str | None:
    """What is published of a method under weights drawn anew: ``passes``, ``partly``, ``fails``; ``None``: not studied."""
    return spec.sanity.partition(" ")[0].rstrip(",:") or None


def signed_maps(explanation: Explanation) -> Array:
    """Values of an explanation of images, summed over channels: shape ``(N, h, w)``, float64, in the method's own size."""
    values, axes = np.asarray(explanation.values, np.float64), str(explanation.axes)
    maps: Array = values.sum(axes.index("C")) if "C" in axes else values
    return maps


def measured(
    model: Any,
    images: Array,
    specs: Sequence[MethodSpec],
    words: Mapping[str, Mapping[str, Any]],
    region: Array,
    *,
    seed: int,
    stage: str,
    progress: Callable[[int, int, str], None],
) -> Evaluation:
    """Maps of methods for the class that each image is taken for, and :data:`METRICS` of them.

    Parameters
    ----------
    model, images
        A network, and images in its layout.
    specs
        The methods.
    words
        Words of :func:`metannvis_methods.explain` by :func:`title`.
    region
        The object: shape ``(H, W)`` or ``(N, H, W)``.
    seed
        Of random methods.
    stage
        What is said before the names of methods.
    """
    methods = {title(spec): {"method": spec.key, "toolset": spec.toolset, **words[title(spec)]} for spec in specs}
    return evaluate(
        model,
        methods,
        images,
        metrics=METRICS,
        masks=region,
        seed=seed,
        progress=lambda done, total, step: progress(done, total, f"{stage}: {step}"),
        unfit="ignore",
    )
