"""Axioms of attribution, in double precision, on models of both frameworks as they are and translated.

The numbers are those of the papers or follow from a formula; nothing here is compared with a toolkit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
require("tensorflow")
keras: Any = require("keras")

Array = np.ndarray[Any, Any]
#: A weight matrix, inputs × outputs, and a bias; or the name of an activation.
Part = tuple[Any, Any] | str
ACTIVATIONS: dict[str, Any] = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}


def in_torch(*parts: Part) -> Any:
    modules = []
    for part in parts:
        if isinstance(part, str):
            modules.append(ACTIVATIONS[part]())
            continue
        weight, bias = (np.asarray(array, "float64") for array in part)
        modules.append(torch.nn.Linear(*weight.shape).double())
        with torch.no_grad():
            modules[-1].weight.copy_(torch.from_numpy(weight.T.copy()))
            modules[-1].bias.copy_(torch.from_numpy(bias.copy()))
    return torch.nn.Sequential(*modules).eval()


def in_keras(*parts: Part) -> Any:
    first = next(part for part in parts if not isinstance(part, str))
    given = x = keras.Input((len(np.asarray(first[0])),), dtype="float64")
    for part in parts:
        if isinstance(part, str):
            x = keras.layers.Activation(part, dtype="float64")(x)
            continue
        layer = keras.layers.Dense(np.asarray(part[0]).shape[1], dtype="float64")
        x = layer(x)
        layer.set_weights([np.asarray(array, "float64") for array in part])
    return keras.Model(given, x)


def canonical(*parts: Part) -> Any:
    return translate(
        in_torch(*parts), "torch", example_inputs=np.ones((2, len(np.asarray(parts[0][0])))), dtype="float64"
    )


def to_other(*parts: Part) -> Any:
    return translate(
        in_keras(*parts), "torch", example_inputs=np.ones((2, len(np.asarray(parts[0][0])))), dtype="float64"
    )


#: A network as it is in PyTorch; brought into canonical form; as it is in Keras, which is translated for Captum; translated before.
FORMS: dict[str, Callable[..., Any]] = {
    "torch": in_torch,
    "canonical": canonical,
    "keras": in_keras,
    "translated": to_other,
}


@pytest.fixture(params=FORMS)
def made(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return FORMS[request.param]


def values(model: Any, method: str, x: Any, **words: Any) -> Array:
    found: Array = explain(model, method, np.asarray(x, "float64"), **{"toolset": "captum", **words}).values
    return found


ONE_MINUS_RELU: Sequence[Part] = (([[-1.0]], [1.0]), "relu", ([[-1.0]], [1.0]))


@pytest.mark.filterwarnings("ignore:all values of saliency are zero")
def test_sensitivity_where_the_gradient_is_zero(made: Callable[..., Any]) -> None:
    """f(x) = 1 − ReLU(1 − x) rises by one from 0 to 2, and is flat at 2 (Sundararajan et al., 2017, arXiv:1703.01365)."""
    model = made(*ONE_MINUS_RELU)
    assert values(model, "saliency", [[2.0]]) == 0
    assert (
        explain(made(*ONE_MINUS_RELU), "saliency", np.array([[2.0]]), toolset="tf-keras-vis", keepdims=True).values == 0
    )
    for method in ("integrated_gradients", "deep_lift", "feature_ablation", "shapley_values"):
        np.testing.assert_allclose(values(model, method, [[2.0]], baselines=0.0), [[1.0]], atol=1e-12, err_msg=method)


def test_a_difference_that_is_negative(made: Callable[..., Any]) -> None:
    """ReLU at −2 from 2 loses 2, all of which is its only input's."""
    model = made(([[1.0]], [0.0]), "relu")
    for method in ("deep_lift", "integrated_gradients"):
        found = values(model, method, [[-2.0]], baselines=np.array([[2.0]]))
        np.testing.assert_allclose(found, [[-2.0]], atol=1e-12, err_msg=method)


LINEAR = {
    "input_x_gradient": {},
    "integrated_gradients": {"baselines": 0.0},
    "deep_lift": {"baselines": 0.0},
    "gradient_shap": {"baselines": np.zeros((2, 4)), "seed": 0},
    "feature_ablation": {"baselines": 0.0},
    "occlusion": {"baselines": 0.0, "sliding_window_shapes": (1,)},
    "shapley_values": {"baselines": 0.0},
    "shapley_value_sampling": {"baselines": 0.0, "seed": 0},
    "kernel_shap": {"baselines": 0.0, "n_samples": 200, "seed": 0},
    "lrp": {},
}


@pytest.mark.parametrize("method", LINEAR)
def test_linear_functions(method: str, made: Callable[..., Any]) -> None:
    """Of w·x each element's share is its own product, whatever the method.

    Captum adds up occlusions and orders, solves regressions and has the weights of its quadrature in single precision.
    """
    random = np.random.default_rng(0)
    weight, x = random.standard_normal((4, 3)), random.standard_normal((2, 4))
    found = values(made((weight, np.zeros(3))), method, x, target=1, **LINEAR[method])
    exact = method in ("input_x_gradient", "deep_lift", "gradient_shap", "feature_ablation")
    tolerance = 1e-12 if exact else 1e-6
    np.testing.assert_allclose(found, x * weight[:, 1], rtol=tolerance, atol=tolerance)


def relu_net(seed: int = 0) -> list[Part]:
    random = np.random.default_rng(seed)
    return [
        (random.standard_normal((4, 6)), random.uniform(-0.3, 0.3, 6)),
        "relu",
        (random.standard_normal((6, 5)), random.uniform(-0.3, 0.3, 5)),
        "relu",
        (random.standard_normal((5, 3)), random.uniform(-0.3, 0.3, 3)),
    ]


def rewritten(parts: list[Part]) -> list[Part]:
    """The same function otherwise: units in another order, of another size, one of them twice at half its weight."""
    (w1, b1), _, (w2, b2), _, (w3, b3) = parts  # type: ignore[misc]
    order, size = np.array([3, 0, 5, 1, 4, 2, 2]), np.array([2.0, 0.5, 3.0, 1.0, 0.25, 1.5, 1.5])
    half = np.array([1, 1, 1, 1, 1, 0.5, 0.5])
    return [
        (w1[:, order] * size, b1[order] * size),
        "relu",
        (w2[order] / size[:, None] * half[:, None] * 2, b2 * 2),
        "relu",
        (w3 / 2, b3),
    ]


@pytest.mark.parametrize(
    "method", ["saliency", "integrated_gradients", "deep_lift", "shapley_values", "guided_backprop"]
)
def test_implementation_invariance(method: str) -> None:
    """Two networks that are one function have one attribution, in every form."""
    x = np.random.default_rng(1).standard_normal((3, 4))
    words = {} if method in ("saliency", "guided_backprop") else {"baselines": 0.1}
    found = [
        values(make(*parts), method, x, target=2, **words)
        for make in FORMS.values()
        for parts in (relu_net(), rewritten(relu_net()))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-9, atol=1e-12)


def test_a_sigmoid_that_is_saturated(made: Callable[..., Any]) -> None:
    """The gradient sees nothing of it, the path does."""
    model, x = made(([[5.0]], [0.0]), "sigmoid"), [[3.0]]
    rise = 1 / (1 + np.exp(-15.0)) - 0.5
    assert 0 < values(model, "saliency", x)[0, 0] < 1e-5
    np.testing.assert_allclose(
        values(model, "integrated_gradients", x, baselines=0.0, n_steps=200), [[rise]], atol=1e-6
    )
    np.testing.assert_allclose(values(model, "deep_lift", x, baselines=0.0), [[rise]], atol=1e-12)


def smooth_net() -> list[Part]:
    return ["tanh" if part == "relu" else part for part in relu_net(3)]


def outputs(parts: Sequence[Part], x: Array) -> Array:
    found: Array = in_torch(*parts)(torch.from_numpy(x)).detach().numpy()
    return found


@pytest.mark.parametrize("method", ["integrated_gradients", "layer_conductance", "layer_integrated_gradients"])
def test_completeness_on_a_smooth_network(method: str, made: Callable[..., Any]) -> None:
    x = np.random.default_rng(1).standard_normal((3, 4))
    model = made(*smooth_net())
    words = {} if method == "integrated_gradients" else {"layer": _hidden(model)}
    found = values(model, method, x, target=1, baselines=0.0, n_steps=200, **words).sum(1)
    difference = outputs(smooth_net(), x) - outputs(smooth_net(), np.zeros((1, 4)))
    np.testing.assert_allclose(found, difference[:, 1], atol=1e-6)


def test_the_conductance_of_a_layer_is_that_of_its_neurons(made: Callable[..., Any]) -> None:
    """Captum's sum over steps, which ``method`` asks for by name, is a hundred times as far off."""
    x = np.random.default_rng(1).standard_normal((3, 4))
    model = made(*smooth_net())
    words: dict[str, Any] = {"layer": _hidden(model), "target": 1, "baselines": 0.0, "n_steps": 200}
    whole = values(model, "layer_conductance", x, **words)
    theirs = values(model, "layer_conductance", x, options={"method": "gausslegendre"}, **words)
    neurons = [values(model, "neuron_conductance", x, neuron=k, **words).sum(1) for k in range(6)]
    np.testing.assert_allclose(whole, np.stack(neurons, 1), atol=1e-6)
    assert np.abs(theirs - whole).max() > 1e-4
    few = explain(model, "layer_conductance", x, batch_size=4, toolset="captum", **words)
    np.testing.assert_allclose(few.values, whole, rtol=1e-12, atol=1e-12)
    assert few.convergence_delta is not None
    assert np.abs(few.convergence_delta).max() < 1e-6


def _hidden(model: Any) -> str:
    """The first activation."""
    if isinstance(model, torch.nn.Sequential):
        return "1"
    if isinstance(model, keras.Model):
        return str(model.layers[2].name)
    rows = [row.source.name for row in model.layers]
    return next(name for name in rows if name == "1" or name.startswith("activation"))


@pytest.mark.parametrize("method", ["integrated_gradients", "layer_conductance"])
def test_completeness_on_a_relu_network_comes_with_steps(method: str, made: Callable[..., Any]) -> None:
    """What is missing falls as one over the number of steps, since the gradient jumps where a unit turns on."""
    x = np.random.default_rng(1).standard_normal((24, 4))
    parts, model = relu_net(3), made(*relu_net(3))
    words = {} if method == "integrated_gradients" else {"layer": _hidden(model)}
    difference = (outputs(parts, x) - outputs(parts, np.full((1, 4), 0.1)))[:, 1]
    steps, missing = (10, 40, 160, 640), []
    for count in steps:
        options = {"method": "riemann_middle"} if method == "integrated_gradients" else {}
        found = values(model, method, x, target=1, baselines=0.1, n_steps=count, options=options, **words)
        missing.append(float(np.abs(found.sum(1) - difference).mean()))
    slope = np.polyfit(np.log(steps), np.log(missing), 1)[0]
    assert slope == pytest.approx(-1, abs=0.25), missing
    assert missing[-1] < 5e-3


def test_gradient_shap_is_within_three_standard_errors(made: Callable[..., Any]) -> None:
    """Of the mean of Integrated Gradients over the baselines, by the spread of its own draws."""
    random = np.random.default_rng(2)
    x, baselines, count = random.standard_normal((2, 4)), random.standard_normal((5, 4)), 400
    network = in_torch(*smooth_net())
    expected = np.mean(
        [values(network, "integrated_gradients", x, target=1, baselines=b[None], n_steps=200) for b in baselines], 0
    )
    found = values(
        made(*smooth_net()), "gradient_shap", x, target=1, baselines=baselines, n_samples=count, stdevs=0.0, seed=4
    )
    draws = []
    for _ in range(2000):
        b, share = baselines[random.integers(5, size=2)], random.uniform(size=(2, 1))
        point = torch.from_numpy(b + share * (x - b)).requires_grad_()
        (gradient,) = torch.autograd.grad(network(point)[:, 1].sum(), point)
        draws.append((x - b) * gradient.numpy())
    error = np.std(draws, 0) / np.sqrt(count)
    assert (error > 0).all()
    assert (np.abs(found - expected) <= 3 * error).all(), (found - expected) / error
