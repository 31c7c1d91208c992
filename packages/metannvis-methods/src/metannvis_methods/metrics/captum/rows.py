"""Rows of Captum's metrics."""

from __future__ import annotations

from metannvis_methods.metrics.spec import MetricSpec, Parameter
from metannvis_methods.registry.option_values import number, whole

__all__ = ["ROWS"]

YEH = "Yeh et al.: On the (In)fidelity and Sensitivity of Explanations, 2019, arXiv:1901.09392"
MODULE = "metannvis_methods.metrics.captum.runner"

ROWS = (
    MetricSpec(
        "infidelity",
        "captum",
        "faithfulness",
        "lower",
        f"{MODULE}:infidelity",
        "squared error of what the map says of a change of the input",
        YEH,
        needs=("predictions", "torch"),
        parameters=(
            Parameter("n_perturb_samples", 10, "changes of the input", "Captum: 10", takes=whole(1)),
            Parameter(
                "stdev",
                0.1,
                "standard deviation of a change, which is normal",
                "ours; Captum has none",
                takes=number(above=0),
            ),
            Parameter("normalize", False, "scale the map to fit the changes best", "Captum: False", (True, False)),
        ),
        inputs="any",
    ),
    MetricSpec(
        "sensitivity_max",
        "captum",
        "robustness",
        "lower",
        f"{MODULE}:sensitivity_max",
        "largest change of the map, relative to its size, near the input",
        YEH,
        needs=("method", "torch"),
        parameters=(
            Parameter(
                "perturb_radius", 0.02, "largest change of a number of the input", "Captum: 0.02", takes=number(above=0)
            ),
            Parameter("n_perturb_samples", 10, "inputs nearby", "Captum: 10", takes=whole(1)),
        ),
        inputs="any",
    ),
)
