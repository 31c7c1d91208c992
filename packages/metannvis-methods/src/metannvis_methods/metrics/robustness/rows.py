"""Rows of the metrics of robustness."""

from __future__ import annotations

from collections.abc import Sequence

from metannvis_methods.metrics.spec import MetricSpec, Parameter
from metannvis_methods.registry.option_values import number, whole

__all__ = ["ROWS"]

YEH = "Yeh et al.: On the (In)fidelity and Sensitivity of Explanations, 2019, arXiv:1901.09392"
AGARWAL = "Agarwal et al.: Rethinking Stability for Attribution-based Explanations, 2022, arXiv:2203.06877"
MODULE = "metannvis_methods.metrics.robustness.metrics"

RADIUS = Parameter(
    "radius", 0.02, "largest change of a number of the input", "Captum: 0.02; Quantus takes 0.2", takes=number(above=0)
)
DRAWS = Parameter("draws", 10, "inputs nearby", "Captum: 10; Quantus takes 200", takes=whole(1))
PERTURBATIONS = Parameter("perturbations", None, "noise to take instead, shape (draws, N, …) like the inputs", "ours")


def _row(key: str, summary: str, reference: str, needs: Sequence[str], parameters: Sequence[Parameter]) -> MetricSpec:
    return MetricSpec(
        key,
        "metannvis",
        "robustness",
        "lower",
        f"{MODULE}:{key}",
        summary,
        reference,
        needs=tuple(needs),
        parameters=tuple(parameters),
        inputs="any",
    )


ROWS = (
    _row(
        "maximum_sensitivity",
        "largest change of the map, relative to its size, near the input",
        YEH,
        ("method",),
        (RADIUS, DRAWS, PERTURBATIONS),
    ),
    _row(
        "average_sensitivity",
        "mean change of the map, relative to its size, near the input",
        YEH,
        ("method",),
        (RADIUS, DRAWS, PERTURBATIONS),
    ),
    _row(
        "relative_input_stability",
        "largest relative change of the map by that of the input",
        AGARWAL,
        ("method", "predictions"),
        (RADIUS, DRAWS, PERTURBATIONS),
    ),
    _row(
        "relative_output_stability",
        "largest relative change of the map by the change of the output",
        AGARWAL,
        ("method", "predictions"),
        (RADIUS, DRAWS, PERTURBATIONS),
    ),
    _row(
        "relative_representation_stability",
        "largest relative change of the map by that of a layer's output",
        AGARWAL,
        ("method", "predictions"),
        (Parameter("layer", None, "name of the layer; has to be given", "paper"), RADIUS, DRAWS, PERTURBATIONS),
    ),
)
