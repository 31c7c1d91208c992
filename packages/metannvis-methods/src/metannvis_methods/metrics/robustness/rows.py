"""Rows of the metrics of robustness."""

from __future__ import annotations

from metannvis_methods.metrics.spec import MetricSpec, Parameter

__all__ = ["ROWS"]

YEH = "Yeh et al.: On the (In)fidelity and Sensitivity of Explanations, 2019, arXiv:1901.09392"
MODULE = "metannvis_methods.metrics.robustness.metrics"

RADIUS = Parameter("radius", 0.02, "largest change of a number of the input", "Captum: 0.02; Quantus takes 0.2")
DRAWS = Parameter("draws", 10, "inputs nearby", "Captum: 10; Quantus takes 200")
PERTURBATIONS = Parameter("perturbations", None, "noise to take instead, shape (draws, N, …) like the inputs", "ours")

ROWS = (
    MetricSpec(
        "maximum_sensitivity",
        "metannvis",
        "robustness",
        "lower",
        f"{MODULE}:maximum_sensitivity",
        "largest change of the map, relative to its size, near the input",
        YEH,
        needs=("method",),
        parameters=(RADIUS, DRAWS, PERTURBATIONS),
    ),
    MetricSpec(
        "average_sensitivity",
        "metannvis",
        "robustness",
        "lower",
        f"{MODULE}:average_sensitivity",
        "mean change of the map, relative to its size, near the input",
        YEH,
        needs=("method",),
        parameters=(RADIUS, DRAWS, PERTURBATIONS),
    ),
)
