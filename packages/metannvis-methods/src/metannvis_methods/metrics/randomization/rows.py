"""Rows of the metrics of randomization."""

from __future__ import annotations

from metannvis_methods.metrics.spec import MetricSpec, Parameter

__all__ = ["ROWS"]

ADEBAYO = "Adebayo et al.: Sanity Checks for Saliency Maps, 2018, arXiv:1810.03292"
MODULE = "metannvis_methods.metrics.randomization.metrics"

MEASURE = Parameter(
    "measure",
    "spearman",
    "rank correlation with signs or of magnitudes, SSIM, or rank correlation of HOG features",
    "paper: all four",
    ("spearman", "spearman_absolute", "ssim", "hog"),
)
LAYERS = Parameter(
    "layers", None, "names of the layers to draw anew, in that order; none: all, the output first", "paper: all"
)

ROWS = (
    MetricSpec(
        "cascading_randomization",
        "metannvis",
        "randomization",
        "lower",
        f"{MODULE}:cascading_randomization",
        "similarity to the map of the same network with random weights in all layers",
        ADEBAYO,
        needs=("method", "weights"),
        parameters=(MEASURE, LAYERS),
        inputs="any",
    ),
    MetricSpec(
        "independent_randomization",
        "metannvis",
        "randomization",
        "lower",
        f"{MODULE}:independent_randomization",
        "mean similarity to the maps of the same network with random weights in one layer",
        ADEBAYO,
        needs=("method", "weights"),
        parameters=(MEASURE, LAYERS),
        inputs="any",
    ),
    MetricSpec(
        "label_randomization",
        "metannvis",
        "randomization",
        "lower",
        f"{MODULE}:label_randomization",
        "similarity to the map of the same network trained on permuted labels",
        ADEBAYO,
        needs=("method",),
        parameters=(MEASURE, Parameter("model", None, "the network that was trained on permuted labels", "paper")),
        inputs="any",
    ),
)
