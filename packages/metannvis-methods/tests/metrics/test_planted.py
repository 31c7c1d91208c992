"""Every metric ranks the right map of a planted model above random and inverted ones."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods import list_metrics

from .planted import Planted, call_of, images, mask, measured, torch, truth

#: Options that fit images of 12 × 12 pixels, by name.
OPTIONS = {
    "irof": {"segments_of": "grid", "baseline": 0.0},
    "region_perturbation": {"patch": 2, "baseline": 0.0},
    "selectivity": {"patch": 2, "baseline": 0.0},
    "pixel_flipping": {"baseline": 0.0},
    "monotonicity": {"baseline": 0.0},
    "insertion": {"baseline": 0.0},
    "faithfulness_correlation": {"baseline": 0.0},
    "maximum_sensitivity": {"draws": 3},
    "average_sensitivity": {"draws": 3},
    "relative_input_stability": {"draws": 3},
    "relative_output_stability": {"draws": 3},
    "relative_representation_stability": {"draws": 3, "layer": "seen"},
    "quantus:top_k_intersection": {"k": 16},
    "quantus:faithfulness_correlation": {"subset_size": 40, "perturb_baseline": 0.0},
    "quantus:faithfulness_estimate": {"features_in_step": 4, "perturb_baseline": 0.0},
    "quantus:monotonicity_correlation": {"features_in_step": 16, "nr_samples": 8},
    "quantus:pixel_flipping": {"features_in_step": 16, "perturb_baseline": 0.0},
    "quantus:region_perturbation": {"patch_size": 4, "perturb_baseline": 0.0},
    "quantus:selectivity": {"patch_size": 4, "perturb_baseline": 0.0},
    "quantus:infidelity": {"perturb_baseline": 0.0, "n_perturb_samples": 1},
    "quantus:max_sensitivity": {"nr_samples": 3},
    "quantus:avg_sensitivity": {"nr_samples": 3},
    "quantus:local_lipschitz_estimate": {"nr_samples": 3},
    "quantus:relative_input_stability": {"nr_samples": 3},
    "quantus:relative_output_stability": {"nr_samples": 3},
}
#: These say nothing of whether a map is right, or need what a planted map has not: weights to draw, a network trained anew.
EXCEPTED = ("complexity", "randomization", "time")


@pytest.mark.parametrize(
    "spec",
    [s for s in list_metrics() if s.category not in EXCEPTED],
    ids=lambda spec: spec.name,
)
def test_the_right_map_comes_first(spec) -> None:
    model, x = Planted(), images()
    right = truth(model, x)
    drawn = np.random.default_rng(5)

    def first(array):
        return np.moveaxis(truth(model, np.moveaxis(array, -1, 1)), 1, -1)

    def anew(array):
        return drawn.standard_normal(array.shape) * right.mean()

    options = spec.options({})
    of_magnitudes = (
        options.get("abs") or options.get("sign") == "absolute" or spec.name == "quantus:relevance_mass_accuracy"
    )
    # magnitudes, and a quotient of two sums, have no sign: inverted is what was the largest value the smallest
    upside_down = (right.max() - right, lambda array: right.max() - first(array))
    maps = {
        "right": (right, first),
        "random": (np.random.default_rng(6).standard_normal(x.shape) * right.mean(), anew),
        "inverted": upside_down if of_magnitudes else (-right, lambda array: -first(array)),
    }
    scores = {}
    for name, (values, again) in maps.items():
        np.random.seed(0)  # noqa: NPY002  # Quantus draws from the global generators, and Captum
        torch.manual_seed(0)
        call = call_of(spec.name, model, x, values, again=lambda given, *, again=again, **_: again(given), mask=mask())
        scores[name] = measured(call, **OPTIONS.get(spec.name, {})).scores
    better = {name: (value if spec.direction == "higher" else -value).mean() for name, value in scores.items()}
    assert np.isfinite(list(better.values())).all(), scores
    assert better["right"] > better["random"], scores
    if spec.category == "robustness":
        # S is a norm of a change of the map by a norm of the map, or of what the map is no part of, and ‖−v‖ = ‖v‖ for every norm:
        # S(−φ) = ‖−φ(x + d) + φ(x)‖ / ‖−φ(x)‖ = S(φ), to the last bit, since turning a sign rounds nothing
        np.testing.assert_array_equal(scores["right"], scores["inverted"])
    else:
        assert better["right"] > better["inverted"], scores
