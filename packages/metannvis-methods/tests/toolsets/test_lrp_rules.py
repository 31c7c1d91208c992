"""Layer-wise relevance propagation on models that have more than Captum has rules for."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from metannvis_methods import ToolsetError, UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
nn = torch.nn


def net(*parts: Any) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(*parts).double().eval()


def lrp(model: Any, x: np.ndarray) -> np.ndarray:
    captum: Any = require("captum.attr")
    model = copy.deepcopy(model)  # a run that fails leaves rules behind
    return captum.LRP(model).attribute(torch.from_numpy(x).requires_grad_(), target=1).detach().numpy()


@pytest.mark.parametrize("plumbing", [nn.Flatten, nn.Identity, nn.Dropout1d])
def test_modules_that_only_move_elements_go(plumbing: Any) -> None:
    x = np.random.default_rng(1).standard_normal((3, 4))
    dense = [nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)]
    model = net(dense[0], dense[1], plumbing(), dense[2])
    with pytest.raises(TypeError, match="no rule"):
        lrp(net(dense[0], dense[1], plumbing(), dense[2]), x)
    found = explain(model, "lrp", x, target=1, toolset="captum")
    assert found.translation is not None
    np.testing.assert_allclose(found.values, lrp(net(*dense), x), rtol=1e-12)
    assert not any(hasattr(module, "rule") for module in model.modules())


def test_a_number_that_is_added_is_a_bias() -> None:
    require("tensorflow")
    keras: Any = require("keras")
    given = keras.Input((4,))
    x = keras.layers.Dense(5, name="one")(given) + 0.5
    model = keras.Model(given, keras.layers.Dense(3, name="two")(x))
    x = np.random.default_rng(1).standard_normal((3, 4))
    twin = net(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3))
    with torch.no_grad():
        for place, name in ((0, "one"), (2, "two")):
            layer = model.get_layer(name)
            twin[place].weight.copy_(torch.from_numpy(np.asarray(layer.kernel).T.copy()))
            twin[place].bias.copy_(torch.from_numpy(np.asarray(layer.bias).copy()))
        twin[1].weight.copy_(torch.eye(5))
        twin[1].bias.fill_(0.5)
    found = explain(model, "lrp", x, target=1, toolset="captum", translation={"dtype": "float64"})
    np.testing.assert_allclose(found.values, lrp(twin, x), rtol=1e-6)


def test_a_layer_without_a_rule_is_refused_by_name() -> None:
    model = net(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 2))
    with (
        pytest.warns(UnfitWarning, match=r"no rule for '1' \(Sigmoid\)"),
        pytest.raises(ToolsetError, match="lrp of captum failed with TypeError: Module of type .*Sigmoid"),
    ):
        explain(model, "lrp", np.ones((2, 4)), target=0, toolset="captum")
    assert not any(hasattr(module, "rule") for module in model.modules())


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.Sigmoid(), nn.LogSoftmax(1)], ids=lambda end: type(end).__name__)
def test_a_module_that_is_left_out_needs_no_rule(end: Any) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    x = np.random.default_rng(1).standard_normal((3, 4))
    expected = explain(body, "lrp", x, target=1, toolset="captum").values
    np.testing.assert_allclose(expected, lrp(body, x), rtol=1e-9)
    model = nn.Sequential(body, end)
    for words in ({}, {"target": lambda output: output[:, 1]}, {"batch_size": 2}):
        found = explain(model, "lrp", x, **{"target": 1, "toolset": "captum", "unfit": "raise", **words}).values
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert not any(hasattr(module, "rule") for module in model.modules())


def test_rules_of_the_caller_are_used_or_the_model_is_refused() -> None:
    rules: Any = require("captum.attr._utils.lrp_rules")
    x = np.random.default_rng(1).standard_normal((3, 4))
    model = net(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    plain = explain(model, "lrp", x, target=1, toolset="captum").values
    model[2].rule = rules.GammaRule()
    found = explain(model, "lrp", x, target=1, toolset="captum").values
    np.testing.assert_array_equal(found, lrp(model, x))
    assert np.abs(found - plain).max() > 1e-3
    assert isinstance(model[2].rule, rules.GammaRule)
    flat = net(nn.Flatten(), *model)
    with pytest.raises(
        InvalidArgumentError, match="rule of '3' would be lost.*layer '0' .Flatten. only moves elements"
    ):
        explain(flat, "lrp", x, target=1, toolset="captum")
