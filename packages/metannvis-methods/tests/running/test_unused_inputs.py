"""Models of several inputs and outputs: what is explained may depend on some of the inputs only; numbers as samples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
keras: Any = require("keras")
TABLE = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
IMAGES = np.random.default_rng(1).standard_normal((2, 3, 8, 10)).astype(np.float32)


class Heads(torch.nn.Module):
    """Two heads, the second of the table alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
        self.both, self.table = torch.nn.Linear(9, 3), torch.nn.Linear(5, 3)

    def forward(self, images: Any, table: Any) -> tuple[Any, Any]:
        seen = self.relu(self.conv(images)).mean((2, 3))
        return self.both(torch.cat([seen, table], 1)), self.table(table)


def in_keras() -> Any:
    images, table = keras.Input((8, 10, 3)), keras.Input((5,))
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu", name="conv")(images))
    both = keras.layers.Dense(3)(keras.layers.Concatenate()([seen, table]))
    return keras.Model([images, table], [both, keras.layers.Dense(3, name="table")(table)])


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("source", ["torch", "tensorflow"])
def test_saliency_by_an_unused_input_is_zero(source: str, toolset: str) -> None:
    model = Heads().eval() if source == "torch" else in_keras()
    images = IMAGES if source == "torch" else np.moveaxis(IMAGES, 1, -1)
    found = explain(model, "saliency", (images, TABLE), output=1, target=1, toolset=toolset)
    weights = model.table.weight[1].detach().numpy() if source == "torch" else model.layers[-1].kernel.numpy()[:, 1]
    assert not found.values[0].any()
    assert found.values[0].shape[0] == 2
    if toolset == "captum":  # which does not scale
        np.testing.assert_allclose(found.values[1], np.abs(weights)[None].repeat(2, 0), rtol=1e-5)
    assert found.values[1].any()


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "deep_lift", "input_x_gradient", "guided_backprop", "lrp", "gradient_shap"]
)
def test_attributions_to_an_unused_input_are_zero(method: str) -> None:
    model = Heads().eval()
    given = {"baselines": 0} if method == "gradient_shap" else {}
    found = explain(model, method, (IMAGES, TABLE), output=1, target=1, toolset="captum", **given)
    assert not found.values[0].any()
    if method in ("integrated_gradients", "deep_lift", "input_x_gradient"):
        expected = TABLE * model.table.weight[1].detach().numpy()
        np.testing.assert_allclose(found.values[1], expected, rtol=1e-4, atol=1e-6)


def test_a_map_of_a_layer_that_counts_for_nothing_is_told() -> None:
    model = Heads().eval()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = explain(model, "grad_cam", (IMAGES, TABLE), output=1, target=1, layer="conv", toolset="captum")
    assert not found.values.any() and any("zero" in str(one.message) for one in told)
    with pytest.raises(InvalidArgumentError, match="does not depend on layer 'conv'"):
        explain(model, "grad_cam", (IMAGES, TABLE), output=1, target=1, layer="conv", toolset="tf-keras-vis")


@pytest.mark.parametrize("method", ["gradient_shap", "deep_lift_shap"])
@pytest.mark.filterwarnings("ignore:deep_lift_shap averages")
def test_a_number_is_a_sample_of_baselines(method: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).eval()
    number, array = (
        explain(model, method, TABLE, target=1, baselines=given, toolset="captum", seed=3).values
        for given in (0.5, np.full((1, 5), 0.5, np.float32))
    )
    np.testing.assert_array_equal(number, array)
