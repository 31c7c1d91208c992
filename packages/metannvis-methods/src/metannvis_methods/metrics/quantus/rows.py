"""Rows of Quantus' metrics: those of 0.6.0 that give a number a sample and are right on any number of channels.

Left out: ROAD and IROF, which fail on images of several channels; Monotonicity, which replaces numbers of its baseline by the
baseline, so that the output never changes; Completeness, which asks whether floating numbers are equal; SensitivityN, whose
correlation is over samples; what draws weights of PyTorch's and Keras' models alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from metannvis_methods.metrics.spec import Category, Inputs, MetricSpec, Parameter
from metannvis_methods.registry.option_values import Values, number, whole

__all__ = ["CLASSES", "ROWS", "TAKES_MAPS"]

MODULE = "metannvis_methods.metrics.quantus.runner"
THEIRS = "Quantus"

#: By the key of a row, the class of Quantus.
CLASSES = {
    "sparseness": "Sparseness",
    "complexity": "Complexity",
    "effective_complexity": "EffectiveComplexity",
    "attribution_localisation": "AttributionLocalisation",
    "auc": "AUC",
    "pointing_game": "PointingGame",
    "relevance_mass_accuracy": "RelevanceMassAccuracy",
    "relevance_rank_accuracy": "RelevanceRankAccuracy",
    "top_k_intersection": "TopKIntersection",
    "faithfulness_correlation": "FaithfulnessCorrelation",
    "faithfulness_estimate": "FaithfulnessEstimate",
    "monotonicity_correlation": "MonotonicityCorrelation",
    "pixel_flipping": "PixelFlipping",
    "region_perturbation": "RegionPerturbation",
    "selectivity": "Selectivity",
    "infidelity": "Infidelity",
    "max_sensitivity": "MaxSensitivity",
    "avg_sensitivity": "AvgSensitivity",
    "local_lipschitz_estimate": "LocalLipschitzEstimate",
    "relative_input_stability": "RelativeInputStability",
    "relative_output_stability": "RelativeOutputStability",
}
#: What its options take, by their names; others it looks at itself.
TAKES: dict[str, Values] = {
    **dict.fromkeys(("features_in_step", "k", "n_perturb_samples", "nr_runs", "nr_samples", "patch_size"), whole(1)),
    **dict.fromkeys(("regions_evaluation", "subset_size"), whole(1)),
    **dict.fromkeys(("eps", "max_size", "perturb_std"), number(above=0)),
    "lower_bound": number(),
}
#: Categories whose metrics get maps summed over channels: masks have none, and Quantus lays both flat.
TAKES_MAPS = ("complexity", "localization")


def _parameters(absolute: bool, normalise: bool, more: Sequence[tuple[str, object, str]]) -> tuple[Parameter, ...]:
    shared = (
        Parameter("abs", absolute, "take magnitudes", THEIRS, (True, False)),
        Parameter("normalise", normalise, "divide by the largest magnitude", THEIRS, (True, False)),
    )
    return (
        *shared,
        *(Parameter(name, default, summary, THEIRS, takes=TAKES.get(name)) for name, default, summary in more),
    )


def _row(
    key: str,
    category: Category,
    direction: Literal["higher", "lower"],
    summary: str,
    reference: str,
    *,
    absolute: bool = False,
    normalise: bool = True,
    more: Sequence[tuple[str, object, str]] = (),
    axes: str = "",
) -> MetricSpec:
    needs = {"localization": ("mask",), "faithfulness": ("predictions",), "robustness": ("method", "predictions")}
    return MetricSpec(
        key,
        "quantus",
        category,
        direction,
        f"{MODULE}:run",
        summary,
        reference,
        needs=(*needs.get(category, ()), "torch"),
        parameters=_parameters(absolute, normalise, more),
        axes=axes,
        inputs=cast("Inputs", {"complexity": "any", "localization": "one"}.get(category, "alone")),
    )


BASELINE = ("perturb_baseline", "black", "what replaces a number: black, white, mean, uniform, random, or a number")
STEP = ("features_in_step", 1, "numbers of a step")
DRAWS = ("nr_samples", 200, "inputs nearby")
BOUND = ("lower_bound", 0.2, "largest change of a number of the input")

ROWS = (
    _row("sparseness", "complexity", "higher", "Gini index of the magnitudes", "arXiv:1810.06583", absolute=True),
    _row("complexity", "complexity", "lower", "entropy of the shares", "arXiv:2005.00631", absolute=True),
    _row(
        "effective_complexity",
        "complexity",
        "lower",
        "number of places above a threshold",
        "arXiv:2007.07584",
        absolute=True,
        more=(("eps", 1e-5, "the threshold"),),
    ),
    _row(
        "attribution_localisation",
        "localization",
        "higher",
        "share of the attribution in the object",
        "arXiv:1910.09840",
        absolute=True,
        more=(("weighted", False, "weigh by the object's size"), ("max_size", 1.0, "largest share of an object")),
    ),
    _row("auc", "localization", "higher", "area under the ROC curve of the map against the object", "Fawcett, 2006"),
    _row("pointing_game", "localization", "higher", "whether the largest value lies in the object", "arXiv:1608.00507"),
    _row(
        "relevance_mass_accuracy",
        "localization",
        "higher",
        "share of the attribution in the object",
        "arXiv:2003.07258",
    ),
    _row(
        "relevance_rank_accuracy",
        "localization",
        "higher",
        "share of the object among as many of the strongest places",
        "arXiv:2003.07258",
    ),
    _row(
        "top_k_intersection",
        "localization",
        "higher",
        "share of the strongest places that lie in the object",
        "arXiv:2104.14995",
        more=(("k", 1000, "number of places"),),
    ),
    _row(
        "faithfulness_correlation",
        "faithfulness",
        "higher",
        "correlation of the sum of random sets and the drop of the output",
        "arXiv:2005.00631",
        more=(("nr_runs", 100, "random sets"), ("subset_size", 224, "numbers of a set"), BASELINE),
    ),
    _row(
        "faithfulness_estimate",
        "faithfulness",
        "higher",
        "correlation of attributions and drops of the output",
        "arXiv:1806.07538",
        more=(STEP, BASELINE),
    ),
    _row(
        "monotonicity_correlation",
        "faithfulness",
        "higher",
        "rank correlation of attributions and how uncertain the output is without them",
        "arXiv:2007.07584",
        absolute=True,
        more=(STEP, ("nr_samples", 100, "draws of a step"), ("perturb_baseline", "uniform", BASELINE[2])),
    ),
    _row(
        "pixel_flipping",
        "faithfulness",
        "lower",
        "mean output after each step of numbers that are replaced",
        "PLOS ONE 10(7), 2015",
        more=(STEP, BASELINE),
    ),
    _row(
        "region_perturbation",
        "faithfulness",
        "higher",
        "mean drop of the output while patches are replaced",
        "arXiv:1509.06321",
        more=(
            ("patch_size", 8, "side of a patch"),
            ("order", "morf", "morf, lerf or random"),
            ("regions_evaluation", 100, "patches, at most"),
            BASELINE,
        ),
        axes="HW",
    ),
    _row(
        "selectivity",
        "faithfulness",
        "lower",
        "mean output after each patch that is replaced",
        "arXiv:1706.07979",
        more=(("patch_size", 8, "side of a patch"), BASELINE),
        axes="HW",
    ),
    _row(
        "infidelity",
        "faithfulness",
        "lower",
        "squared error of what the map says of the loss of patches",
        "arXiv:1901.09392",
        normalise=False,
        more=(
            ("perturb_patch_sizes", (4,), "sides of patches"),
            ("n_perturb_samples", 10, "repetitions"),
            BASELINE,
        ),
        axes="HW",
    ),
    _row(
        "max_sensitivity",
        "robustness",
        "lower",
        "largest change of the map near the input",
        "arXiv:1901.09392",
        normalise=False,
        more=(DRAWS, BOUND),
    ),
    _row(
        "avg_sensitivity",
        "robustness",
        "lower",
        "mean change of the map near the input",
        "arXiv:1901.09392",
        normalise=False,
        more=(DRAWS, BOUND),
    ),
    _row(
        "local_lipschitz_estimate",
        "robustness",
        "lower",
        "largest change of the map by that of the input",
        "arXiv:1806.08049",
        more=(DRAWS, ("perturb_std", 0.1, "standard deviation of a change")),
    ),
    _row(
        "relative_input_stability",
        "robustness",
        "lower",
        "largest relative change of the map by that of the input",
        "arXiv:2203.06877",
        normalise=False,
        more=(DRAWS,),
    ),
    _row(
        "relative_output_stability",
        "robustness",
        "lower",
        "largest relative change of the map by the change of the output",
        "arXiv:2203.06877",
        normalise=False,
        more=(DRAWS,),
    ),
)
