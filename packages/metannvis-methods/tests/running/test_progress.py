"""Progress: every method begins at 0 of a total, never goes back and ends at the total."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import MethodSpec, SmoothGrad, explain, list_methods
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch, keras = require("torch"), require("keras")
X = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype("float32")
DRAWN = {"baselines": np.stack([0 * X[0], X[0] / 2])}
GROUPS = {"feature_mask": (np.arange(36).reshape(1, 1, 6, 6) // 12).repeat(2, 1)}
#: What methods need beside inputs, a target and a layer of shape (N, 4, 4, 4), and how many rows pass as they say.
WORDS: dict[str, tuple[dict[str, Any], int]] = {
    "integrated_gradients": ({"n_steps": 5}, 14),
    "layer_integrated_gradients": ({"n_steps": 5}, 14),
    "layer_conductance": ({"n_steps": 5}, 14),
    "neuron_integrated_gradients": ({"n_steps": 5}, 10),
    "neuron_conductance": ({"n_steps": 5}, 10),
    "internal_influence": ({"n_steps": 5}, 10),
    "gradient_shap": ({**DRAWN, "n_samples": 4}, 12),
    "layer_gradient_shap": ({**DRAWN, "n_samples": 4}, 12),
    "neuron_gradient_shap": ({**DRAWN, "n_samples": 4}, 8),
    "deep_lift": ({}, 4),
    "layer_deep_lift": ({}, 4),
    "neuron_deep_lift": ({}, 4),
    "deep_lift_shap": (DRAWN, 8),
    "layer_deep_lift_shap": (DRAWN, 8),
    "neuron_deep_lift_shap": (DRAWN, 8),
    "occlusion": ({"sliding_window_shapes": (2, 3, 3), "strides": (2, 3, 3)}, 10),
    "feature_ablation": (GROUPS, 8),
    "neuron_feature_ablation": (GROUPS, 8),
    "layer_feature_ablation": ({"layer_mask": np.arange(64).reshape(1, 4, 4, 4) // 16}, 10),
    "feature_permutation": ({"feature_mask": GROUPS["feature_mask"][:1, :1]}, 8),
    "shapley_value_sampling": ({**GROUPS, "n_samples": 3}, 20),
    "shapley_values": (GROUPS, 38),
    "lime": ({**GROUPS, "n_samples": 20}, 40),
    "kernel_shap": ({**GROUPS, "n_samples": 20}, 40),
    "smooth_grad": ({"smooth_samples": 3}, 6),
    "score_cam": ({}, 8),
    "grad-cam score_cam": ({}, 10),
    "ablation_cam": ({}, 10),
    "deep_feature_factorization": ({"n_components": 2}, 2),
    "activation_maximization": ({"steps": 3}, 3),
    "metannvis activation_maximization": ({"steps": 3, "shape": (2, 6, 6), "target": 1}, 9),
    "render": ({"steps": 3, "layer": "0", "channel": [0, 1]}, 3),
    "deep_dream": ({"steps": 3, "octaves": 2, "octave_scale": 1.2}, 6),
    "invert_representation": ({"steps": 3}, 3),
    "extremal_perturbation": ({"n_steps": 3}, 6),
    "blur_integrated_gradients": ({"n_steps": 5}, 10),
    "guided_integrated_gradients": ({"n_steps": 5}, 10),
    "xrai": ({"n_steps": 5, "feature_mask": GROUPS["feature_mask"][:1, :1]}, 20),
    "filter_guided_backprop": ({"channel": 1}, 2),
    "simple_taylor": ({"n_steps": 5}, 24),
    "rise": ({"n_masks": 7}, 14),
    "sobol": ({"n_designs": 3, "cells": 2}, 30),
}
NOT_HERE = {"lime_base": "is nothing but what it is given", "layer_feature_permutation": "refuses every target"}


def words_of(spec: MethodSpec) -> tuple[dict[str, Any], int]:
    return WORDS.get(f"{spec.toolset} {spec.key}") or WORDS.get(spec.key, ({}, 2))


def network() -> Any:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.AvgPool2d(4), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, 3)).eval()


def keras_network() -> Any:
    inputs = keras.Input((6, 6, 2))
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps)))


def told(spec: MethodSpec, **more: Any) -> list[tuple[int, int]]:
    """What was told of a run, which has to be in order."""
    found: list[tuple[int, int, str]] = []
    theirs = spec.framework != "tensorflow"
    words: dict[str, Any] = {**words_of(spec)[0], **more}
    if spec.by_role("target", "score") and not spec.optimizes:
        words["target"] = 1
    if (argument := spec.by_role("layer")) and (argument.required or not spec.optimizes):
        words["layer"] = ("0" if spec.key != "cam" else "1") if theirs else "conv"
    if spec.by_role("neuron") and not spec.optimizes:
        words["neuron"] = (1, 2, 1)
    if spec.key != "activation_maximization":
        words["inputs"] = X if theirs else np.moveaxis(X, 1, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = network() if theirs else keras_network()
        explain(model, spec.key, toolset=spec.toolset, progress=lambda *a: found.append(a), **words)
    last = found[-1][2]
    assert last == ("ascent" if spec.kind == "feature_visualization" else "run")
    return [(done, total) for done, total, stage in found if stage == last]


@pytest.mark.parametrize("spec", list_methods(), ids=lambda spec: f"{spec.toolset} {spec.key}")
def test_every_method_tells_how_far_it_is(spec: MethodSpec) -> None:
    if spec.key in NOT_HERE:
        return
    steps = told(spec)
    done, totals = zip(*steps, strict=True)
    assert len(set(totals)) == 1
    assert totals[0] == words_of(spec)[1]
    assert done[0] == 0 and done[-1] == totals[0]
    assert list(done) == sorted(set(done))
    if spec.toolset == "captum" and spec.kind == "primary" and spec.rows_a_sample is None:
        assert len(told(spec, batch_size=1)) > 4


def test_noise_counts_its_copies() -> None:
    spec = next(row for row in list_methods(toolset="captum") if row.key == "saliency")
    assert told(spec, noise=SmoothGrad(3, 0.1), batch_size=2) == [(0, 6), (2, 6), (4, 6), (5, 6), (6, 6)]


def test_what_the_callers_function_raises_comes_back_as_it_is() -> None:
    class Stopped(Exception):  # noqa: N818
        pass

    def stop(done: int, total: int, stage: str) -> None:
        if done:
            raise Stopped

    model = network()
    for _ in range(2):
        with pytest.raises(Stopped):
            explain(model, "integrated_gradients", X, target=1, toolset="captum", batch_size=1, progress=stop)
    assert not model._forward_hooks
    with pytest.raises(InvalidArgumentError):
        explain(model, "saliency", X[..., :3], target=1, toolset="captum", progress=stop)
