"""The bound on the rows of a pass: held by every method, whatever it multiplies, and without a trace in the result."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import pytest
from metannvis_methods import MethodSpec, UnfitWarning, explain, list_methods
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
tf = require("tensorflow")

#: What methods need beside inputs and a target, for inputs of shape (N, 2, 6, 6) and a layer of shape (N, 4, 4, 4).
BASELINES = np.random.default_rng(3).standard_normal((3, 2, 6, 6))
GROUPS = (np.arange(36).reshape(1, 1, 6, 6) // 12).repeat(2, 1)
WORDS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"n_steps": 5},
    "layer_integrated_gradients": {"n_steps": 5},
    "neuron_integrated_gradients": {"n_steps": 5},
    "layer_conductance": {"n_steps": 5},
    "neuron_conductance": {"n_steps": 5},
    "internal_influence": {"n_steps": 5},
    "gradient_shap": {"baselines": BASELINES, "n_samples": 4, "stdevs": 0.1},
    "layer_gradient_shap": {"baselines": BASELINES, "n_samples": 4, "stdevs": 0.1},
    "neuron_gradient_shap": {"baselines": BASELINES, "n_samples": 4, "stdevs": 0.1},
    "deep_lift_shap": {"baselines": BASELINES},
    "layer_deep_lift_shap": {"baselines": BASELINES},
    "neuron_deep_lift_shap": {"baselines": BASELINES},
    "occlusion": {"sliding_window_shapes": (2, 3, 3), "strides": (2, 3, 3)},
    "feature_ablation": {"feature_mask": GROUPS, "perturbations_per_eval": 3},
    "neuron_feature_ablation": {"feature_mask": GROUPS, "perturbations_per_eval": 3},
    "layer_feature_ablation": {"layer_mask": (np.arange(64).reshape(1, 4, 4, 4) // 16), "perturbations_per_eval": 3},
    "feature_permutation": {"feature_mask": GROUPS[:1, :1]},
    "shapley_value_sampling": {"feature_mask": GROUPS, "n_samples": 3},
    "shapley_values": {"feature_mask": GROUPS},
    "lime": {"feature_mask": GROUPS, "n_samples": 20},
    "kernel_shap": {"feature_mask": GROUPS, "n_samples": 20},
    "lrp": {},
}
#: Rows that this network says nothing of.
NOT_HERE = {
    "lime_base": "is nothing but what it is given",
    "layer_feature_permutation": "refuses every target",
}
TARGETS = {"one for all": 1, "one a sample": [1, 0, 2, 1, 0]}


class Network(torch.nn.Module):
    """Counts the rows of each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.conv, self.act = torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU()
        self.pool, self.fc = torch.nn.AvgPool2d(4), torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        self.seen.append(len(x))
        return self.fc(torch.flatten(self.pool(self.act(self.conv(x))), 1))


def rows() -> list[MethodSpec]:
    return [spec for spec in list_methods(toolset="captum") if spec.key not in NOT_HERE]


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return Network().double().eval()


X = np.random.default_rng(0).standard_normal((5, 2, 6, 6))
#: Relative and absolute error, by precision.
TOLERANCES: dict[str, tuple[float, float]] = {"double": (1e-9, 1e-12), "single": (1e-5, 1e-6)}


@pytest.mark.parametrize("precision", ["double", pytest.param("single", marks=pytest.mark.full)])
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("spec", rows(), ids=lambda spec: spec.key)
def test_a_bound_holds_and_leaves_no_trace(spec: MethodSpec, targets: str, precision: str, model: Any) -> None:
    words = dict(WORDS.get(spec.key, {}))
    if precision == "single":
        model = model.float()
    if spec.by_role("layer"):
        words["layer"] = "conv"
    if spec.by_role("neuron"):
        words["neuron"] = (1, 2, 1)
    if spec.by_role("target"):
        words["target"] = TARGETS[targets]
    elif targets != "one for all":
        return
    seeded = {"seed": 5} if spec.stochastic else {}
    relative, absolute = TOLERANCES[precision]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = explain(model, spec.key, X, toolset="captum", **words, **seeded)
        for bound in (1, 2, 3):
            model.seen.clear()
            found = explain(model, spec.key, X, toolset="captum", batch_size=bound, **words, **seeded)
            assert max(model.seen, default=0) <= max(bound, spec.rows_a_sample or 1), (bound, model.seen)
            size = np.abs(whole.values).max()
            np.testing.assert_allclose(
                found.values, whole.values, rtol=relative, atol=absolute * max(1, size), err_msg=f"bound {bound}"
            )
            if whole.convergence_delta is not None:
                near = {"rtol": relative, "atol": 1e-9 if precision == "double" else 1e-5}
                np.testing.assert_allclose(found.convergence_delta, whole.convergence_delta, **near)


class Counted(keras.layers.Layer):
    """Its input, the rows of which it counts."""

    seen: ClassVar[list[int]] = []

    def call(self, x: Any) -> Any:
        if isinstance(x, tf.Tensor) and x.shape[0] is not None and hasattr(x, "numpy"):
            self.seen.append(len(x))
        return x


def counted(precision: str) -> Any:
    """A Keras model that counts the rows of each pass, all its numbers in one precision."""
    keras.utils.set_random_seed(0)
    dtype = "float64" if precision == "double" else "float32"
    x = keras.Input((6, 6, 2), dtype=dtype)
    y = keras.layers.Conv2D(4, 3, activation="tanh", dtype=dtype, name="conv")(Counted(dtype=dtype)(x))
    y = keras.layers.GlobalAveragePooling2D(dtype=dtype)(y)
    return keras.Model(x, keras.layers.Dense(3, dtype=dtype)(y))


#: Options of methods of tf-keras-vis; what is scaled to 0…1 hides differences in size.
VISUAL: dict[str, dict[str, Any]] = {
    "activation_maximization": {
        "steps": 3,
        "input_range": (-1.0, 1.0),
        "input_modifiers": "jitter:2, rotate, scale",
        "regularizers": "total_variation:0.1, norm",
        "optimizer": {"sgd": {"learning_rate": 0.2, "momentum": 0.5, "clipnorm": 0.5}},
    },
    "saliency": {"keepdims": True, "normalize_map": False},
    "saliency, smooth": {"smooth_samples": 3, "keepdims": True, "normalize_map": False},
    "saliency, guided": {"model_modifier": "guided", "smooth_samples": 2, "normalize_map": False},
    "smooth_grad": {"smooth_samples": 4},
    "grad_cam": {"normalize_cam": False, "activation_modifier": None},
    "grad_cam++": {"expand_cam": False, "activation_modifier": None},
    "score_cam": {"normalize_cam": False},
    "score_cam, faster": {"max_N": 2, "normalize_cam": False},
    "layer_cam": {"normalize_cam": False},
}


def test_every_row_of_tf_keras_vis_is_here() -> None:
    assert {name.partition(",")[0] for name in VISUAL} == {spec.key for spec in list_methods(toolset="tf-keras-vis")}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("name", VISUAL)
def test_a_bound_holds_and_leaves_no_trace_in_keras(name: str, targets: str, precision: str) -> None:
    key = name.partition(",")[0]
    model, x = counted(precision), np.ascontiguousarray(X.transpose(0, 2, 3, 1))
    words: dict[str, Any] = {"target": TARGETS[targets], "toolset": "tf-keras-vis", "seed": 5, **VISUAL[name]}
    words |= {"layer": "conv"} if "cam" in key else {}
    relative, absolute = TOLERANCES[precision]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnfitWarning)
        whole = explain(model, key, x, **words)
        for bound in (1, 2, 3):
            Counted.seen.clear()
            found = explain(model, key, x, batch_size=bound, **words)
            assert 0 < max(Counted.seen) <= bound, (bound, Counted.seen)
            size = max(1, np.abs(whole.values).max())
            np.testing.assert_allclose(
                found.values, whole.values, rtol=relative, atol=absolute * size, err_msg=f"bound {bound}"
            )
    assert np.abs(whole.values).max() > 0
