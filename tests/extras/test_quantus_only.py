"""PyTorch and Quantus installed, the other toolkits and TensorFlow not. For `tox -e quantus-only`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from metannvis_methods import evaluate, list_metrics

IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 2, 12, 12)).astype("float32")
QUICK = {
    "top_k_intersection": {"k": 9},
    "faithfulness_correlation": {"nr_runs": 5, "subset_size": 20},
    "faithfulness_estimate": {"features_in_step": 36},
    "pixel_flipping": {"features_in_step": 36},
    "monotonicity_correlation": {"features_in_step": 36, "nr_samples": 2},
    "region_perturbation": {"patch_size": 4},
    "selectivity": {"patch_size": 4},
    "infidelity": {"n_perturb_samples": 1},
    "max_sensitivity": {"nr_samples": 2},
    "avg_sensitivity": {"nr_samples": 2},
    "local_lipschitz_estimate": {"nr_samples": 2},
    "relative_input_stability": {"nr_samples": 2},
    "relative_output_stability": {"nr_samples": 2},
}
METHOD = {"method": "rise", "n_masks": 20, "cells": 3}


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(400, 3)
    ).eval()


def test_this_is_that_environment():
    assert all(
        find_spec(name) is None for name in ("tensorflow", "captum", "pytorch_grad_cam", "tf_keras_vis", "zennit")
    )


@pytest.mark.parametrize("row", list_metrics(provider="quantus"), ids=lambda row: row.key)
def test_every_metric_runs(row, net):
    metric = {row.name: QUICK.get(row.key, {})}
    found = evaluate(net, METHOD, IMAGES, metrics=metric, masks=IMAGES[0, 0] > 0.5, target=1)
    assert not found.errors
    assert np.isfinite(found.scores).all()


def test_captums_say_what_to_install(net):
    found = evaluate(net, METHOD, IMAGES, metrics="captum:infidelity", target=1)
    (message,) = found.errors.values()
    assert "pip install" in message and "\n" not in message
