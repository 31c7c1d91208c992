"""Our metrics are those of Quantus, which is called here by itself, on one channel; and where it is not right, this shows how.

Quantus hands a PyTorch model tensors of single precision. Both sides are compared in double all the same: the inputs, and what they
are changed by, are numbers that single precision holds exactly, and the network computes in double of what it is given.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest

from .planted import call_of, measured, torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from metannvis_translate.frameworks import require

    require("tensorflow")
    import quantus

SIDE, CLASSES = 8, 4


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return (
        nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(6 * SIDE * SIDE, CLASSES))
        .double()
        .eval()
    )


class InDouble(torch.nn.Module):  # type: ignore[misc]  # of an optional framework
    """A network in double precision of inputs in single."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Any) -> Any:
        return self.network(rows.double())


def held_exactly(array: np.ndarray) -> np.ndarray:
    """In double, what single precision makes of it."""
    return array.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return held_exactly(np.random.default_rng(0).uniform(0, 1, (3, 1, SIDE, SIDE)))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, 1, SIDE, SIDE))


TARGETS = [1, 3, 0]


def mask() -> np.ndarray:
    found = np.zeros((3, SIDE, SIDE), bool)
    found[0, 1:4, 2:7] = found[1, 5:, 5:] = found[2, 3, 3] = True
    return found


def theirs(
    name: str, network: Any, x: np.ndarray, values: np.ndarray, explain: Any = None, call: Any = (), **options: Any
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = getattr(quantus, name)(
            **options, return_aggregate=False, disable_warnings=True, display_progressbar=False
        )
        return metric(
            InDouble(network).eval(),
            x.copy(),
            np.array(TARGETS),
            a_batch=values.copy(),
            s_batch=mask()[:, None].astype(float),
            channel_first=True,
            explain_func=explain,
            device="cpu",
            **dict(call),
        )


def ours(name: str, network: Any, x: np.ndarray, values: np.ndarray, again: Any = None, **options: Any):
    return measured(call_of(name, network, x, values, mask=mask(), target=TARGETS, again=again), **options)


SCORES = {
    "sparseness": ("Sparseness", {}, {"normalise": False}),
    "entropy": ("Complexity", {}, {}),
    "effective_complexity": ("EffectiveComplexity", {"epsilon": 0.3}, {"eps": 0.3, "normalise": False}),
    "mass_accuracy": ("RelevanceMassAccuracy", {}, {"abs": True}),
    "rank_accuracy": ("RelevanceRankAccuracy", {}, {}),
    "pointing_game": ("PointingGame", {"tolerance": 0}, {}),
    "top_k_intersection": ("TopKIntersection", {"k": 9}, {"k": 9}),
    "irof": (
        "IROF",
        {"baseline": 0.25},
        {"perturb_baseline": 0.25},
    ),
    "monotonicity": (
        "MonotonicityCorrelation",
        {"groups": 16, "sign": "absolute", "baseline": 0.25},
        {"features_in_step": 4, "nr_samples": 1, "perturb_baseline": 0.25},
    ),
}


@pytest.mark.parametrize("name", SCORES)
def test_scores(name: str, network: Any, x: np.ndarray, values: np.ndarray, monkeypatch) -> None:
    if name == "irof" and not hasattr(np, "trapz"):
        monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # Quantus 0.6.0 is older than NumPy 2.4
    theirs_name, own_options, their_options = SCORES[name]
    if name == "sparseness":
        values = values * 1e3  # Quantus adds 1e-7 to every number
    if name == "effective_complexity":
        values = values / np.abs(values).max((1, 2, 3), keepdims=True)  # Quantus divides by the largest of the batch
    found = ours(name, network, x, values, **own_options).scores
    expected = theirs(theirs_name, network, x, values, **their_options)
    np.testing.assert_allclose(found, np.asarray(expected, float), atol=1e-9, rtol=1e-9)


def test_mass_accuracy_is_attribution_localisation(network: Any, x: np.ndarray, values: np.ndarray) -> None:
    expected = theirs("AttributionLocalisation", network, x, values)
    np.testing.assert_allclose(ours("mass_accuracy", network, x, values).scores, expected, atol=1e-9)


CURVES = {
    "pixel_flipping": ("PixelFlipping", {"in_step": 4}, {"features_in_step": 4}, 0),
    "region_perturbation": (
        "RegionPerturbation",
        {"patch": 2, "regions": 10, "baseline": "black"},
        {"patch_size": 2, "regions_evaluation": 10},
        1,  # ours begins with the input as it is, as the paper does
    ),
    "selectivity": ("Selectivity", {"patch": 2}, {"patch_size": 2}, 0),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves(name: str, network: Any, x: np.ndarray, values: np.ndarray) -> None:
    theirs_name, own_options, their_options, skipped = CURVES[name]
    found = ours(name, network, x, values, **own_options)
    expected = np.array(theirs(theirs_name, network, x, values, **their_options))
    assert found.curves is not None
    np.testing.assert_allclose(found.curves[:, skipped:], expected, atol=1e-9)


def test_road(network: Any, x: np.ndarray, values: np.ndarray) -> None:
    shares = (10, 30, 50, 70, 90)
    found = ours("road_most_relevant_first", network, x, values, percentages=shares, noise=0.0, outcome="accuracy")
    expected = theirs("ROAD", network, x, values, percentages=list(shares), noise=0.0)
    assert found.curves is not None
    np.testing.assert_allclose(found.curves.mean(0), [expected[share] for share in shares], atol=1e-9)


def test_imputation_is_that_of_road(x: np.ndarray, values: np.ndarray) -> None:
    from metannvis_methods.metrics.faithfulness.road import imputed

    gone = values[0, 0] > 0.2
    expected = quantus.noisy_linear_imputation(x[0], np.flatnonzero(gone), noise=0.0)
    found = imputed(np.moveaxis(x[0], 0, -1).astype(float), gone)
    np.testing.assert_allclose(found[..., 0], expected[0], atol=1e-9)


def test_faithfulness_correlation(network: Any, x: np.ndarray, values: np.ndarray, monkeypatch) -> None:
    drawn, choice = [], np.random.choice  # what Quantus draws with

    def recorded(*args: Any, **kwargs: Any) -> Any:
        drawn.append(choice(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(np.random, "choice", recorded)
    expected = theirs("FaithfulnessCorrelation", network, x, values, nr_runs=20, subset_size=12, normalise=False)
    subsets = np.array(drawn).reshape(20, 3, 12)
    found = ours("faithfulness_correlation", network, x, values, subsets=subsets).scores
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    alike = ours("faithfulness_correlation", network, x, values, runs=4000, size=12).scores
    assert (np.abs(alike - found) < 3 * (1 - alike**2) / np.sqrt(20)).all()  # three standard errors of a correlation


def test_infidelity(network: Any, x: np.ndarray, values: np.ndarray) -> None:
    """Quantus takes away patch after patch; those changes are given to ours."""
    gone, changes = x.copy(), []
    for row in range(0, SIDE, 4):
        for column in range(0, SIDE, 4):
            gone[:, :, row : row + 4, column : column + 4] = 0.0
            changes.append(x - gone)
    expected = theirs("Infidelity", network, x, values, perturb_baseline=0.0, n_perturb_samples=1)
    found = ours("infidelity", network, x, values, perturbations=np.stack(changes)).scores
    np.testing.assert_allclose(found, expected, rtol=1e-9)


ROBUSTNESS = {
    "maximum_sensitivity": ("MaxSensitivity", {}),
    "average_sensitivity": ("AvgSensitivity", {}),
    "relative_input_stability": ("RelativeInputStability", {"return_nan_when_prediction_changes": False}),
    "relative_output_stability": ("RelativeOutputStability", {"return_nan_when_prediction_changes": False}),
}


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_robustness(name: str, network: Any, x: np.ndarray) -> None:
    noise = held_exactly(x + np.random.default_rng(2).uniform(-0.01, 0.01, (5, *x.shape))) - x

    def explained(rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows, np.float64)
        return np.sin(5 * rows) + rows**2

    def perturb(arr: np.ndarray, draws: list[np.ndarray], **_: Any) -> np.ndarray:
        return arr + draws.pop(0).reshape(arr.shape)

    theirs_name, options = ROBUSTNESS[name]
    expected = theirs(
        theirs_name,
        network,
        x,
        explained(x),
        explain=lambda model, inputs, targets, **_: explained(inputs),
        perturb_func=perturb,
        perturb_func_kwargs={"draws": list(noise)},
        nr_samples=5,
        **options,
    )
    found = ours(name, network, x, explained(x), again=lambda given, **_: explained(given), perturbations=noise).scores
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_machine_without_libraries_of_opencv(network: Any, x: np.ndarray, values: np.ndarray, monkeypatch) -> None:
    from metannvis_methods.errors import MissingFrameworkError

    def fails(*_: Any) -> Any:
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("metannvis_methods.metrics.quantus.runner.require_extra", fails)
    with pytest.raises(
        MissingFrameworkError, match="libGL.so.1.*pip uninstall -y opencv-python && pip install --force"
    ):
        ours("quantus:complexity", network, x, values)


def test_quantus_is_not_installed(network: Any, x: np.ndarray, values: np.ndarray, monkeypatch) -> None:
    """What it takes to have it beside grad-cam is told: it writes over grad-cam's OpenCV."""
    from metannvis_methods.errors import MissingFrameworkError

    monkeypatch.setitem(sys.modules, "quantus", None)
    with pytest.raises(MissingFrameworkError) as told:
        ours("quantus:complexity", network, x, values)
    message = str(told.value)
    assert "pip install 'metannvis-methods[quantus]'" in message
    assert message.endswith(
        "pip uninstall -y opencv-python && pip install --force-reinstall --no-deps opencv-python-headless"
    )


def test_what_quantus_is_not_right_in(network: Any, x: np.ndarray, values: np.ndarray) -> None:
    """Why ours stand in the stead of these, see ``metrics/quantus/rows.py``."""
    assert all(theirs("Monotonicity", network, x, sign * values) for sign in (1, -1))
    assert np.all(theirs("Monotonicity", network, x, values))  # of any map: nothing comes in
    colors = np.repeat(x, 3, axis=1)
    of_colors = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1).double(), network).eval()
    for name in ("ROAD", "IROF"):
        with pytest.raises((AssertionError, IndexError, ValueError)):
            theirs(name, of_colors, colors, np.repeat(values, 3, axis=1))
