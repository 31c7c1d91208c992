"""Rows of the metrics of complexity, and of time."""

from __future__ import annotations

from metannvis_methods.metrics.spec import MetricSpec, Parameter
from metannvis_methods.registry.option_values import number

__all__ = ["ROWS"]

CHALASANI = (
    "Chalasani et al.: Concise Explanations of Neural Networks Using Adversarial Training, 2020, arXiv:1810.06583"
)
BHATT = "Bhatt, Weller, Moura: Evaluating and Aggregating Feature-based Model Explanations, 2020, arXiv:2005.00631"
NGUYEN = "Nguyen, Rodríguez Martínez: On Quantitative Aspects of Model Interpretability, 2020, arXiv:2007.07584"
MODULE = "metannvis_methods.metrics.complexity.metrics"

ROWS = (
    MetricSpec(
        "sparseness",
        "metannvis",
        "complexity",
        "higher",
        f"{MODULE}:sparseness",
        "Gini index of the magnitudes: how few places have how much",
        CHALASANI,
        inputs="any",
    ),
    MetricSpec(
        "entropy",
        "metannvis",
        "complexity",
        "lower",
        f"{MODULE}:entropy",
        "entropy of the shares of the magnitudes",
        BHATT,
        inputs="any",
    ),
    MetricSpec(
        "effective_complexity",
        "metannvis",
        "complexity",
        "lower",
        f"{MODULE}:effective_complexity",
        "number of places whose magnitude is not negligible",
        NGUYEN,
        parameters=(
            Parameter(
                "epsilon",
                1e-5,
                "what is negligible, as a share of the largest magnitude",
                "Quantus: 1e-5",
                takes=number(above=0),
            ),
        ),
        inputs="any",
    ),
    MetricSpec(
        "seconds",
        "metannvis",
        "time",
        "lower",
        f"{MODULE}:seconds",
        "seconds that the method takes for a sample, translation left out",
        "",
        inputs="any",
    ),
)
