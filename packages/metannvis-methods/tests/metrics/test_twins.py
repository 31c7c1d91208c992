"""The same evaluation of PyTorch, Keras and ONNX twins gives the same numbers, for every kind of input."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods import evaluate, list_metrics

from ..toolsets.metannvis.networks import SHAPES, SOURCES, inputs, source

#: What needs weights to draw, a layer's name, a mask, another network, or a clock; and what is of images.
APART = ("cascading_randomization", "independent_randomization", "label_randomization", "seconds")
OF_LAYERS = ("relative_representation_stability",)
QUICK = {
    "maximum_sensitivity": {"draws": 2},
    "average_sensitivity": {"draws": 2},
    "relative_input_stability": {"draws": 2},
    "relative_output_stability": {"draws": 2},
    "irof": {"segments_of": "grid"},
    "infidelity": {"draws": 5},
    "faithfulness_correlation": {"runs": 10},
    "sensitivity_n": {"runs": 5, "sizes": (0.2, 0.5)},
    "deletion": {"steps": 20},
    "insertion": {"steps": 20},
    "monotonicity": {"groups": 10},
    "selectivity": {"patch": 4},
    "region_perturbation": {"patch": 4},
    "road_most_relevant_first": {"percentages": (30, 60)},
    "road_least_relevant_first": {"percentages": (30, 60)},
}


@pytest.mark.parametrize("kind", SHAPES)
def test_the_same_numbers(kind: str) -> None:
    metrics = {
        spec.name: QUICK.get(spec.name, {})
        for spec in list_metrics(provider="metannvis")
        if spec.key not in (*APART, *OF_LAYERS)
    }
    places = inputs(kind).shape[2:] or inputs(kind).shape[1:]
    mask = np.zeros(places, bool)
    mask[tuple(slice(1, size // 2 + 1) for size in places)] = True
    found = {}
    for framework in SOURCES:
        model, x = source(kind, framework)
        method = {"method": "input_x_gradient", "toolset": "captum"}
        found[framework] = evaluate(model, {"by": method}, x, metrics=metrics, masks=mask, target=1, seed=3)
        assert not found[framework].errors
        assert np.isfinite(found[framework].scores).all()
    for framework in SOURCES[1:]:
        for k, name in enumerate(metrics):
            np.testing.assert_allclose(
                found[framework].scores[:, k], found["torch"].scores[:, k], rtol=1e-5, atol=1e-7, err_msg=name
            )


@pytest.mark.parametrize("framework", SOURCES)
def test_libraries_measure_models_of_any_framework(framework: str) -> None:
    """Quantus knows neither ONNX nor this Keras, Captum PyTorch alone: they are given functions, no models."""
    model, x = source("image", framework)
    metrics = {
        "quantus:pixel_flipping": {"features_in_step": 16},
        "quantus:complexity": {},
        "quantus:max_sensitivity": {"nr_samples": 2},
        "captum:infidelity": {},
        "captum:sensitivity_max": {"n_perturb_samples": 2},
    }
    method = {"method": "input_x_gradient", "toolset": "captum"}
    found = evaluate(model, method, x, metrics=metrics, target=1, seed=3)
    assert not found.errors
    expected = evaluate(
        *(source("image", "torch")[0], method, source("image", "torch")[1]), metrics=metrics, target=1, seed=3
    )
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
