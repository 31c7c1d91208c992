"""Rows of the metrics of faithfulness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from metannvis_methods.metrics.spec import Inputs, MetricSpec, Parameter
from metannvis_methods.registry.option_values import Values, number, whole

__all__ = ["ROWS"]

PETSIUK = "Petsiuk, Das, Saenko: RISE, 2018, arXiv:1806.07421"
BACH = "Bach et al.: On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, 2015, PLOS ONE 10(7)"
SAMEK = "Samek et al.: Evaluating the Visualization of What a Deep Neural Network Has Learned, 2017, arXiv:1509.06321"
MONTAVON = (
    "Montavon, Samek, Müller: Methods for Interpreting and Understanding Deep Neural Networks, 2018, arXiv:1706.07979"
)
RIEGER = "Rieger, Hansen: IROF, a Low Resource Evaluation Metric for Explanation Methods, 2020, arXiv:2003.08747"
RONG = "Rong et al.: A Consistent and Efficient Evaluation Strategy for Attribution Methods, 2022, arXiv:2202.00449"
YEH = "Yeh et al.: On the (In)fidelity and Sensitivity of Explanations, 2019, arXiv:1901.09392"
BHATT = "Bhatt, Weller, Moura: Evaluating and Aggregating Feature-based Model Explanations, 2020, arXiv:2005.00631"
ANCONA = "Ancona et al.: Towards Better Understanding of Gradient-based Attribution Methods, 2018, arXiv:1711.06104"
NGUYEN = "Nguyen, Rodríguez Martínez: On Quantitative Aspects of Model Interpretability, 2020, arXiv:2007.07584"
IG = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, 2017, arXiv:1703.01365"
MODULE = "metannvis_methods.metrics.faithfulness"

#: How many places a set has.
COUNT = Values("a number of places, or below 1 a share of them", number(above=0).fits)
#: Words for what stands where a place was.
WORDS = ("blur", "mean", "black", "white", "noise", "uniform")
#: A word, or what the metric makes numbers of.
BASELINE = Values(
    f"a number, an array or one of {', '.join(WORDS)}",
    lambda value: value in WORDS if isinstance(value, str) else True,
    WORDS,
)
STEPS = Parameter(
    "steps",
    100,
    "steps of the curve, at most one a place",
    "paper: 224 places of 224 × 224 a step; ours",
    takes=whole(1),
)


def _probabilities(default: bool, source: str) -> Parameter:
    summary = "take a softmax of an output of classes that is none yet"
    return Parameter("probabilities", default, summary, source, (True, False))


def _baseline(default: Any, source: str) -> Parameter:
    summary = "what stands where a place was: a number, an array or a word"
    return Parameter("baseline", default, summary, source, takes=BASELINE)


CURVE = _probabilities(True, "paper: probabilities")
CHANGE = _probabilities(False, "paper: the output that is explained")


def _row(
    key: str,
    direction: Literal["higher", "lower"],
    function: str,
    summary: str,
    reference: str,
    parameters: Sequence[Parameter],
    inputs: Inputs = "any",
) -> MetricSpec:
    return MetricSpec(
        key,
        "metannvis",
        "faithfulness",
        direction,
        f"{MODULE}.{function}",
        summary,
        reference,
        needs=("predictions",),
        parameters=tuple(parameters),
        inputs=inputs,
    )


ROAD = (
    Parameter(
        "percentages", (10, 20, 30, 40, 50, 60, 70, 80, 90), "shares of the places that are removed", "paper: 10 to 90"
    ),
    Parameter("noise", 0.01, "standard deviation of the noise on a removed place", "paper: 0.01", takes=number(0)),
    Parameter(
        "outcome",
        "probability",
        "what is left: the probability, or whether the class is still the predicted one",
        "ours: it tells samples apart; the paper's is accuracy",
        ("probability", "accuracy"),
    ),
)

ROWS = (
    _row(
        "deletion",
        "lower",
        "curves:deletion",
        "area under the output while the strongest places are replaced",
        PETSIUK,
        (STEPS, _baseline(0.0, "paper: 0"), CURVE),
    ),
    _row(
        "insertion",
        "higher",
        "curves:insertion",
        "area under the output while the strongest places come back",
        PETSIUK,
        (STEPS, _baseline("blur", "paper: kernel 11, σ 5; in proportion above 224 pixels"), CURVE),
    ),
    _row(
        "pixel_flipping",
        "lower",
        "curves:pixel_flipping",
        "mean output after each step of places that are replaced, the strongest first",
        BACH,
        (
            Parameter(
                "in_step", None, "places of a step; none: a hundredth", "ours; paper and Quantus: 1", takes=whole(1)
            ),
            _baseline("black", "Quantus: black"),
            CURVE,
        ),
    ),
    _row(
        "region_perturbation",
        "higher",
        "curves:region_perturbation",
        "mean drop of the output while patches are replaced, the strongest first",
        SAMEK,
        (
            Parameter("patch", None, "side of a patch; none: 9 of 224", "paper: 9", takes=whole(1)),
            Parameter("regions", 100, "patches that are replaced, at most", "paper: 100", takes=whole(1)),
            Parameter("order", "most", "strongest or weakest first", "paper: strongest", ("most", "least")),
            _baseline("uniform", "paper: uniform noise"),
            CURVE,
        ),
        "one",
    ),
    _row(
        "selectivity",
        "lower",
        "curves:selectivity",
        "mean output after each patch that is replaced, that with the largest sum first",
        MONTAVON,
        (
            Parameter("patch", None, "side of a patch; none: 8 of 224", "Quantus: 8", takes=whole(1)),
            _baseline("black", "paper: black"),
            CURVE,
        ),
        "one",
    ),
    _row(
        "irof",
        "higher",
        "curves:irof",
        "area over the output, relative to that of the input, while segments are replaced",
        RIEGER,
        (
            Parameter("segments_of", "slic", "segments: slic, superpixels, grid, or an array", "paper: slic"),
            _baseline("mean", "paper: mean"),
            CURVE,
        ),
        "one",
    ),
    _row(
        "road_most_relevant_first",
        "lower",
        "road:road_most",
        "output when the strongest places are made of their neighbours",
        RONG,
        ROAD,
        "one",
    ),
    _row(
        "road_least_relevant_first",
        "higher",
        "road:road_least",
        "output when the weakest places are made of their neighbours",
        RONG,
        ROAD,
        "one",
    ),
    _row(
        "infidelity",
        "lower",
        "correlations:infidelity",
        "squared error of what the map says of a change of the input",
        YEH,
        (
            Parameter("draws", 50, "changes of the input", "ours; Captum: 10", takes=whole(1)),
            Parameter("stdev", 0.1, "standard deviation of a change", "ours; Captum has none", takes=number(above=0)),
            CHANGE,
            Parameter("perturbations", None, "changes to take instead, shape (draws, N, …) like the inputs", "ours"),
        ),
    ),
    _row(
        "faithfulness_correlation",
        "higher",
        "correlations:faithfulness_correlation",
        "correlation of the sum of a random set of places and the drop of the output without it",
        BHATT,
        (
            Parameter("runs", 100, "random sets", "Quantus: 100", takes=whole(1)),
            Parameter("size", 0.1, "places of a set, or below 1 their share", "ours; Quantus: 224", takes=COUNT),
            _baseline("black", "Quantus: black"),
            CHANGE,
            Parameter("subsets", None, "sets to take instead, numbers of places, shape (runs, N, size)", "ours"),
        ),
    ),
    _row(
        "sensitivity_n",
        "higher",
        "correlations:sensitivity_n",
        "that correlation, in the mean over sizes of the set",
        ANCONA,
        (
            Parameter("sizes", (0.01, 0.05, 0.1, 0.2, 0.4, 0.8), "sizes, as places or shares", "paper: 1 to 80 %"),
            Parameter("runs", 100, "random sets of each size", "paper: 100", takes=whole(1)),
            _baseline(0.0, "paper: 0"),
            CHANGE,
        ),
    ),
    _row(
        "monotonicity",
        "higher",
        "correlations:monotonicity",
        "rank correlation of what groups of places have and the drop of the output without them",
        NGUYEN,
        (
            Parameter(
                "groups", 100, "groups of places with attributions alike, at most one a place", "ours", takes=whole(1)
            ),
            _baseline("black", "ours; Quantus: uniform noise, 100 draws"),
            Parameter(
                "sign",
                "both",
                "attributions and drops with signs, or magnitudes and squares",
                "ours: tells an inverted map apart; paper: magnitudes",
                ("both", "absolute"),
            ),
            CURVE,
        ),
    ),
    _row(
        "completeness",
        "lower",
        "correlations:completeness",
        "difference of the map's sum and the change of the output from the baseline",
        IG,
        (_baseline(0.0, "paper: 0"), CHANGE),
    ),
)
