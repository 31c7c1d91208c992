"""Rows of the metrics of faithfulness."""

from __future__ import annotations

from metannvis_methods.metrics.spec import MetricSpec, Parameter

__all__ = ["ROWS"]

PETSIUK = "Petsiuk, Das, Saenko: RISE, 2018, arXiv:1806.07421"
MODULE = "metannvis_methods.metrics.faithfulness"

STEPS = Parameter(
    "steps", 100, "steps of the curve, at most one a place", "paper: 224 for 224 × 224 pixels; ours for speed"
)
PROBABILITIES = Parameter(
    "probabilities",
    True,
    "take a softmax of an output of classes that is none yet",
    "paper: probabilities",
    (True, False),
)

ROWS = (
    MetricSpec(
        "deletion",
        "metannvis",
        "faithfulness",
        "lower",
        f"{MODULE}.curves:deletion",
        "area under the output while the strongest places are replaced",
        PETSIUK,
        needs=("predictions",),
        parameters=(STEPS, Parameter("baseline", 0.0, "what replaces a place", "paper: 0"), PROBABILITIES),
    ),
    MetricSpec(
        "insertion",
        "metannvis",
        "faithfulness",
        "higher",
        f"{MODULE}.curves:insertion",
        "area under the output while the strongest places come back",
        PETSIUK,
        needs=("predictions",),
        parameters=(
            STEPS,
            Parameter(
                "baseline",
                "blur",
                "what the input starts from",
                "paper: blur, kernel 11, σ 5 of 224 pixels; at least σ 2",
            ),
            PROBABILITIES,
        ),
    ),
)
