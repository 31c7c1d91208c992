"""Methods that need no gradients run on a translation whose gradients are not the model's, and say so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import GradientWarning, explain, list_methods
from metannvis_translate import EquivalenceError
from metannvis_translate.equivalence import check

X = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A network whose gradients the check finds to be others than the translation's."""
    import torch

    def others(*args: Any, **more: Any) -> list[Any]:
        return [(np.ones_like(array), -np.ones_like(array)) for array in args[4]]

    monkeypatch.setattr(check, "gradient_pairs", others)
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 5)).eval()


def test_predictions_are_enough(model: Any) -> None:
    with pytest.warns(GradientWarning, match="gradients differ"):
        found = explain(model, "score_cam", X, target=1, layer="0", toolset="tf-keras-vis")
    assert np.isfinite(found.values).all()


def test_a_method_that_differentiates_is_refused(model: Any) -> None:
    """Also where a method that does not was there before, whose translation is kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientWarning)
        explain(model, "score_cam", X, target=1, layer="0", toolset="tf-keras-vis")
    with pytest.raises(EquivalenceError, match="outputs or gradients do not"):
        explain(model, "saliency", X, target=1, toolset="tf-keras-vis")


def test_which_methods_differentiate() -> None:
    free = {spec.key for spec in list_methods() if not spec.differentiates}
    assert {"occlusion", "feature_ablation", "lime", "kernel_shap", "score_cam", "shapley_value_sampling"} <= free
    assert not free & {"saliency", "grad_cam", "deep_lift", "lrp", "activation_maximization", "gradient_shap"}
