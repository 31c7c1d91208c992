"""Every metric has a test against a reference that is not ours; rows are whole, and refuse what they do not have."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from metannvis_methods import (
    MetricSpec,
    Parameter,
    UnknownMetricError,
    describe_metric,
    evaluate,
    find_metric,
    list_metrics,
    register_metric,
    unregister_metric,
)
from metannvis_methods.errors import InvalidArgumentError, MetannvisError
from metannvis_methods.metrics.quantus.rows import CLASSES

from .planted import Planted, images

#: Where each metric of ours is held against a library of others, its formula, or a closed form.
REFERENCES = {
    "deletion": "test_regions.py",
    "insertion": "test_regions.py",
    "pixel_flipping": "test_against_quantus.py",
    "region_perturbation": "test_against_quantus.py",
    "selectivity": "test_against_quantus.py",
    "irof": "test_regions.py",
    "road_most_relevant_first": "test_against_quantus.py",
    "road_least_relevant_first": "test_regions.py",
    "infidelity": "test_against_captum.py",
    "faithfulness_correlation": "test_against_quantus.py",
    "sensitivity_n": "test_regions.py",
    "monotonicity": "test_against_quantus.py",
    "completeness": "test_regions.py",
    "maximum_sensitivity": "test_against_captum.py",
    "average_sensitivity": "test_against_quantus.py",
    "relative_input_stability": "test_against_quantus.py",
    "relative_output_stability": "test_against_quantus.py",
    "relative_representation_stability": "test_evaluate.py",
    "sparseness": "test_against_quantus.py",
    "entropy": "test_against_quantus.py",
    "effective_complexity": "test_against_quantus.py",
    "seconds": "test_evaluate.py",
    "mass_accuracy": "test_against_quantus.py",
    "rank_accuracy": "test_against_quantus.py",
    "pointing_game": "test_against_quantus.py",
    "top_k_intersection": "test_against_quantus.py",
    "iou": "test_localization.py",
    "cascading_randomization": "test_randomization.py",
    "independent_randomization": "test_randomization.py",
    "label_randomization": "test_randomization.py",
}
#: Those of libraries are these libraries; each is in the table of the planted models or of its category.
OF_LIBRARIES = {f"quantus:{key}" for key in CLASSES} | {"captum:infidelity", "captum:sensitivity_max"}


def test_every_row_has_a_reference() -> None:
    assert {spec.name for spec in list_metrics()} == set(REFERENCES) | OF_LIBRARIES
    for key, name in REFERENCES.items():
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
        assert f'"{key}"' in text or f"{key.rpartition('_relevant')[0].rpartition('_')[2]}" in text, key


@pytest.mark.parametrize("spec", list_metrics(), ids=lambda spec: spec.name)
def test_rows_are_whole(spec: MetricSpec) -> None:
    assert spec.summary and not spec.summary.endswith(".")
    assert spec.reference or spec.category == "time"
    assert all(parameter.source and parameter.summary for parameter in spec.parameters)
    taken = inspect.signature(spec.load()).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        assert list(taken)[1:] == [p.name for p in spec.parameters] or set(list(taken)[1:]) == {
            p.name for p in spec.parameters
        }
    assert describe_metric(spec.name)["provider"] == spec.provider
    with pytest.raises(InvalidArgumentError, match="has no option 'nothing_like_it'"):
        spec.options({"nothing_like_it": 1})


def test_choices_are_told() -> None:
    with pytest.raises(InvalidArgumentError, match="sign is one of 'absolute', 'positive', not 'negative'"):
        find_metric("mass_accuracy").options({"sign": "negative"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deletoin", "Did you mean 'deletion'"),
        ("quantus:deletion", "no metric 'quantus:deletion'"),
        ("", "no metric ''"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UnknownMetricError, match=message):
        find_metric(name)


def test_names() -> None:
    assert find_metric("infidelity").provider == "metannvis"
    assert find_metric("captum:infidelity").provider == "captum"
    assert find_metric("Quantus:Local-Lipschitz-Estimate").name == "quantus:local_lipschitz_estimate"
    assert find_metric("sensitivity_max").provider == "captum"  # which alone has it
    assert {spec.category for spec in list_metrics(category="localization")} == {"localization"}
    with pytest.raises(InvalidArgumentError, match="category is one of faithfulness"):
        list_metrics(category="beauty")


def test_a_metric_of_ones_own() -> None:
    spec = MetricSpec(
        "largest",
        "mine",
        "complexity",
        "higher",
        lambda call, scale: scale * call.maps().reshape(call.samples, -1).max(1),
        "largest value",
        "",
        parameters=(Parameter("scale", 2.0, "factor", "mine"),),
    )
    register_metric(spec)
    try:
        with pytest.raises(MetannvisError, match="mine has the metric 'largest' already"):
            register_metric(spec)
        x = images()
        found = evaluate(Planted(), {"method": "saliency", "toolset": "captum"}, x, metrics="mine:largest", target=0)
        expected = Planted().weight.detach().numpy().sum(0).max() * 2
        np.testing.assert_allclose(found.scores, expected)
    finally:
        unregister_metric("largest", "mine")
    with pytest.raises(UnknownMetricError):
        find_metric("mine:largest")
    with pytest.raises(InvalidArgumentError, match="no category"):
        MetricSpec("a", "b", "beauty", "higher", "c:d", "", "")  # type: ignore[arg-type]
