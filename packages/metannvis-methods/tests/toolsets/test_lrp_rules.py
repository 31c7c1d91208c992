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


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Avg", "AdaptiveMax", "AdaptiveAvg"])
def test_every_pool_has_a_rule(kind: str, axes: int) -> None:
    """The epsilon rule of a network of ReLUs is the gradient times the input."""
    x = np.random.default_rng(1).standard_normal((3, 2, *(4,) * axes))
    model = net(
        nn.Linear(4, 4), nn.ReLU(), getattr(nn, f"{kind}Pool{axes}d")(2), nn.Flatten(), nn.Linear(2 * 2**axes, 3)
    )
    given = torch.from_numpy(x).requires_grad_()
    (gradient,) = torch.autograd.grad(model(given)[:, 1].sum(), given)
    found = explain(model, "lrp", x, target=1, toolset="captum", unfit="raise")
    np.testing.assert_allclose(found.values, x * gradient.numpy(), rtol=1e-5, atol=1e-9)


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


def keras_model(shape: tuple[int, ...], make: Any, bias: bool = False) -> Any:
    """A Keras network without biases, which keep a share of the relevance."""
    require("tensorflow")
    keras: Any = require("keras")
    keras.utils.set_random_seed(0)
    given = keras.Input(shape)
    model = keras.Model(given, make(given, keras.layers, keras.ops))
    for layer in model.layers:
        for weight in layer.weights:
            if weight.path.endswith("bias"):
                weight.assign(np.random.default_rng(1).uniform(-0.3, 0.3, weight.shape) * bias)
    return model


def dense(L: Any, x: Any) -> Any:
    return L.ReLU()(L.Dense(4)(x))


#: What a model computes between its layers; all of it is linear, so that relevance is neither lost nor made.
LINEAR: dict[str, tuple[tuple[int, ...], Any]] = {
    "rescaling": ((5,), lambda x, L, ops: L.Dense(3)(dense(L, L.Rescaling(0.5)(x)))),
    "a factor": ((5,), lambda x, L, ops: L.Dense(3)(dense(L, x) * 2)),
    "a mean of two layers": ((5,), lambda x, L, ops: L.Dense(3)(L.Average()([dense(L, x), L.Dense(4)(x)]))),
    "a difference": ((5,), lambda x, L, ops: L.Dense(3)(L.Subtract()([dense(L, x), L.Dense(4)(x)]))),
    "a sum over places": ((6, 7, 2), lambda x, L, ops: L.Dense(3)(ops.sum(L.ReLU()(L.Conv2D(4, 3)(x)), (1, 2)))),
    "padding beside a shortcut": (
        (6, 7, 2),
        lambda x, L, ops: L.Dense(3)(
            L.GlobalAveragePooling2D()(
                L.Add()([L.Conv2D(4, 3)(L.ZeroPadding2D(1)(y := L.ReLU()(L.Conv2D(4, 3)(x)))), L.Conv2D(4, 1)(y)])
            )
        ),
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_relevance_is_conserved_through_functions(name: str) -> None:
    shape, make = LINEAR[name]
    model = keras_model(shape, make)
    x = np.random.default_rng(0).uniform(0.2, 1, (2, *shape)).astype("float32")
    found = explain(model, "lrp", x, target=1, toolset="captum", translation={"dtype": "float64"}).values
    np.testing.assert_allclose(found.reshape(2, -1).sum(1), np.asarray(model(x))[:, 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("mul", lambda x, L, ops: L.Dense(3)(L.Multiply()([dense(L, x), L.Dense(4)(x)]))),
        ("abs", lambda x, L, ops: L.Dense(3)(ops.abs(L.Dense(4)(x)))),
    ],
)
def test_functions_that_are_not_linear_are_refused_by_name(name: str, make: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"no rule for {name}"):
        explain(keras_model((5,), make), "lrp", np.ones((2, 5)), target=1, toolset="captum")


@pytest.mark.parametrize("end", ["layer", "argument"])
def test_what_goes_into_the_last_softmax_is_explained(end: str) -> None:
    def make(x: Any, L: Any, ops: Any) -> Any:
        x = dense(L, x)
        return L.Softmax()(L.Dense(3)(x)) if end == "layer" else L.Dense(3, activation="softmax")(x)

    x = np.random.default_rng(0).uniform(0.2, 1, (2, 5)).astype("float32")
    options = {"target": 1, "toolset": "captum", "translation": {"dtype": "float64"}}
    found = explain(keras_model((5,), make, bias=True), "lrp", x, **options)

    def without(x: Any, L: Any, ops: Any) -> Any:
        x = dense(L, x)
        return L.Dense(3)(x)

    bare = explain(keras_model((5,), without, bias=True), "lrp", x, **options)
    assert found.options["logits"] is True
    np.testing.assert_allclose(found.values, bare.values, rtol=1e-6)


def test_a_softmax_between_layers_is_refused() -> None:
    model = net(nn.Linear(4, 6), nn.Softmax(-1), nn.Linear(6, 2))
    with (
        pytest.warns(UnfitWarning, match=r"no rule for '1' \(Softmax\)"),
        pytest.raises(ToolsetError, match="Softmax.* has no rule"),
    ):
        explain(model, "lrp", np.ones((2, 4)), target=0, toolset="captum")


def test_the_relevance_of_a_convolution_whose_value_is_after_its_activation() -> None:
    """By the formula of the epsilon rule, from the last layer back: what an element contributes, of what arrives."""
    model = keras_model(
        (6, 7, 2),
        lambda x, L, ops: L.Dense(3, name="classes")(
            L.Flatten()(L.Conv2D(4, 3, activation="relu", name="second")(L.Conv2D(5, 2, activation="relu", name="first")(x)))
        ),
        bias=True,
    )  # fmt: skip
    keras: Any = require("keras")
    x = np.random.default_rng(0).uniform(-1, 1, (2, 6, 7, 2))
    parts = keras.Model(model.input, [model.get_layer(name).output for name in ("first", "second", "classes")])
    first, second, _ = (np.asarray(y, "float64") for y in parts(x.astype("float32")))
    kernel = np.asarray(model.get_layer("classes").kernel, "float64")
    flat = second.reshape(2, -1)
    after = (flat * kernel[:, 1]).reshape(second.shape)  # of the score, which its own divided by itself leaves
    kernel, bias = (np.asarray(w, "float64") for w in model.get_layer("second").weights)
    before = np.zeros_like(first)
    for i in range(second.shape[1]):
        for j in range(second.shape[2]):
            window = first[:, i : i + 3, j : j + 3]
            z = np.einsum("nhwc,hwco->no", window, kernel) + bias
            share = after[:, i, j] / np.where(z == 0, 1, z) * (second[:, i, j] > 0)
            before[:, i : i + 3, j : j + 3] += window * np.einsum("hwco,no->nhwc", kernel, share)
    for name, expected in (("second", after), ("first", before)):
        found = explain(model, "layer_lrp", x, target=1, layer=name, toolset="captum", translation={"dtype": "float64"})
        assert found.values.shape == expected.shape
        np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_the_relevance_of_an_activation_that_a_shortcut_shares() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.relu = nn.Linear(4, 6, bias=False), nn.ReLU()
            self.two, self.three, self.last = (nn.Linear(6, n, bias=False) for n in (6, 6, 2))

        def forward(self, x: Any) -> Any:
            x = self.relu(self.one(x))
            return self.last(self.two(x) + self.three(x))

    torch.manual_seed(0)
    model = Shared().double().eval()
    x = np.random.default_rng(1).standard_normal((3, 4))
    layer = explain(model, "layer_lrp", x, target=1, layer="relu", toolset="captum").values
    same = explain(model, "layer_lrp", x, target=1, layer="one", toolset="captum").values
    inputs = explain(model, "lrp", x, target=1, toolset="captum").values
    score = model(torch.from_numpy(x))[:, 1].detach().numpy()
    assert np.abs(layer).max() > 0
    np.testing.assert_allclose(layer, same, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.sum(1), score, rtol=1e-6)
    np.testing.assert_allclose(inputs.sum(1), score, rtol=1e-6)


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
