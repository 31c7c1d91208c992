"""Rows of the metrics of localization."""

from __future__ import annotations

from metannvis_methods.metrics.localization.binarize import THRESHOLDS
from metannvis_methods.metrics.spec import MetricSpec, Parameter
from metannvis_methods.registry.option_values import Values, number

__all__ = ["ROWS"]

ARRAS = "Arras, Osman, Samek: CLEVR-XAI, 2022, arXiv:2003.07258"
ZHANG = "Zhang et al.: Top-down Neural Attention by Excitation Backprop, 2018, arXiv:1608.00507"
THEINER = "Theiner, Müller-Budack, Ewerth: Interpretable Semantic Photo Geolocation, 2022, arXiv:2104.14995"
MODULE = "metannvis_methods.metrics.localization.metrics"

SIGNS = ("absolute", "positive")
SHARE = Values("a number in 0…1", lambda value: number(0).fits(value) and value <= 1)
ABSOLUTE = Parameter(
    "sign", "absolute", "which values count: magnitudes, or the positive ones", "ours: for all methods", SIGNS
)
POSITIVE = Parameter(
    "sign",
    "both",
    "what is summed over channels: the values, the positive ones, or magnitudes",
    "paper",
    ("both", *SIGNS),
)

ROWS = (
    MetricSpec(
        "mass_accuracy",
        "metannvis",
        "localization",
        "higher",
        f"{MODULE}:mass_accuracy",
        "share of the attribution that lies in the object",
        ARRAS,
        needs=("mask",),
        parameters=(ABSOLUTE,),
    ),
    MetricSpec(
        "rank_accuracy",
        "metannvis",
        "localization",
        "higher",
        f"{MODULE}:rank_accuracy",
        "share of the object's places among as many of the strongest places",
        ARRAS,
        needs=("mask",),
        parameters=(POSITIVE,),
    ),
    MetricSpec(
        "pointing_game",
        "metannvis",
        "localization",
        "higher",
        f"{MODULE}:pointing_game",
        "whether the largest value lies in the object",
        ZHANG,
        needs=("mask",),
        parameters=(
            Parameter(
                "tolerance",
                None,
                "how many places off the object still count; none: 15 pixels of 224",
                "paper: 15 pixels, scaled by the side",
                takes=number(0),
            ),
            POSITIVE,
        ),
    ),
    MetricSpec(
        "top_k_intersection",
        "metannvis",
        "localization",
        "higher",
        f"{MODULE}:top_k_intersection",
        "share of the strongest places that lie in the object",
        THEINER,
        needs=("mask",),
        parameters=(
            Parameter(
                "k",
                0.02,
                "number of places, or below 1 the share of them",
                "Quantus: 1000 of 224 × 224 pixels",
                takes=number(above=0),
            ),
            POSITIVE,
        ),
    ),
    MetricSpec(
        "iou",
        "metannvis",
        "localization",
        "higher",
        f"{MODULE}:iou",
        "intersection over union of the binarised map and the object",
        ARRAS,
        needs=("mask",),
        parameters=(
            Parameter("threshold", "quantile", "above what a place counts", "ours", THRESHOLDS),
            Parameter("quantile", 0.9, "share of places below the quantile", "ours", takes=SHARE),
            POSITIVE,
        ),
    ),
)
