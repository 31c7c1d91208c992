"""Explanations over dropout masks: exact on a linear network, the same through translations, one mask for input and baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, MCDropout, SmoothGrad, UnfitWarning, compare, explain, explain_many
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
nn, layers = torch.nn, keras.layers
RNG = np.random.default_rng(0)
RATE = 0.4
X = RNG.normal(size=(3, 6)).astype(np.float32)
HIDDEN, OUT = RNG.normal(size=(6, 8)).astype(np.float32), RNG.normal(size=(8, 4)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 1, 8, 8)).astype(np.float32)


def networks() -> tuple[Any, Any]:
    """Dense, ReLU, dropout, dense in both frameworks, with the same weights."""
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(RATE), nn.Linear(8, 4)).eval()
    net[0].weight.data, net[3].weight.data = torch.from_numpy(HIDDEN.T.copy()), torch.from_numpy(OUT.T.copy())
    parts = [layers.Dense(8), layers.ReLU(), layers.Dropout(RATE), layers.Dense(4)]
    twin = keras.Sequential([keras.Input((6,)), *parts])
    twin.set_weights([HIDDEN, net[0].bias.detach().numpy(), OUT, net[3].bias.detach().numpy()])
    return net, twin


WORDS: dict[str, Any] = {"target": 1, "toolset": "captum", "seed": 2}


def test_mean_and_deviation_of_a_gradient_are_exact() -> None:
    """The gradient by x of W · dropout(x) is W times a mask: its mean W, its deviation |W| √(p / (1 − p))."""
    net = nn.Sequential(nn.Dropout(RATE), nn.Linear(6, 4)).eval()
    weights, passes = net[1].weight.detach().numpy()[1], 300
    found = explain(net, "saliency", X, abs=False, uncertainty=MCDropout(passes), **WORDS)
    deviation = np.abs(weights) * np.sqrt(RATE / (1 - RATE))
    assert (np.abs(found.values - weights) <= 4 * deviation / np.sqrt(passes)).all()
    assert isinstance(found.deviation, np.ndarray)
    np.testing.assert_allclose(found.deviation, np.tile(deviation, (3, 1)), rtol=0.15)
    np.testing.assert_allclose(found.coefficient_of_variation, found.deviation / np.abs(found.values), rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("deep_lift", {}),
        ("integrated_gradients", {"n_steps": 4}),
        ("gradient_shap", {"n_samples": 3}),
        ("feature_ablation", {}),
    ],
)
def test_input_and_baseline_meet_the_same_mask(method: str, options: dict[str, Any]) -> None:
    """Between equal points there is no difference to explain, whatever the mask."""
    net, _ = networks()
    same = {**options, "stdevs": 0.0} if method == "gradient_shap" else options
    found = explain(net, method, X[:1], baselines=X[:1], uncertainty=MCDropout(6), unfit="ignore", **same, **WORDS)
    assert np.abs(found.values).max() < 1e-6
    assert isinstance(found.deviation, np.ndarray)
    assert found.deviation.max() < 1e-6
    other = explain(net, method, X[:1], baselines=0.0, uncertainty=MCDropout(6), **same, **WORDS)
    assert isinstance(other.deviation, np.ndarray)
    assert other.deviation.max() > 1e-3


@pytest.mark.parametrize("method", ["saliency", "deep_lift", "lrp", "feature_ablation"])
def test_a_translation_drops_as_the_model_does(method: str) -> None:
    """The same masks on a network and, through its translation, on the twin in the other framework."""
    net, twin = networks()
    native = explain(net, method, X, uncertainty=MCDropout(5), **WORDS)
    other = explain(twin, method, X, uncertainty=MCDropout(5), **WORDS)
    assert other.translation is not None
    np.testing.assert_allclose(other.values, native.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other.deviation, native.deviation, rtol=1e-4, atol=1e-5)


def test_a_graph_of_onnx_that_holds_its_dropout() -> None:
    from onnx import TensorProto, helper, numpy_helper

    net, _ = networks()
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Dropout", ["a", "rate"], ["d"], "dropout"),
        helper.make_node("Gemm", ["d", "w2", "b2"], ["y"], "last", transB=1),
    ]
    parameters = dict(zip(("w1", "b1", "w2", "b2"), (p.detach().numpy() for p in net.parameters()), strict=True))
    constants = {"rate": np.float32(RATE), **parameters}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    native = explain(net, "saliency", X, uncertainty=MCDropout(4), **WORDS)
    other = explain(model, "saliency", X, uncertainty=MCDropout(4), **WORDS)
    np.testing.assert_allclose(other.values, native.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other.deviation, native.deviation, rtol=1e-4, atol=1e-5)


def test_channels_are_dropped_in_the_callers_layout() -> None:
    """Dropout2d on a network in PyTorch, whose translation to Keras has the channels last."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Dropout2d(0.5), nn.Conv2d(6, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    words: dict[str, Any] = {"target": 1, "seed": 2, "uncertainty": MCDropout(4)}
    native = explain(net, "saliency", IMAGES, toolset="captum", **words)
    options = {"keepdims": True, "normalize_map": False}
    other = explain(net, "saliency", IMAGES, toolset="tf-keras-vis", **options, **words)
    np.testing.assert_allclose(other.values, native.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other.deviation, native.deviation, rtol=1e-4, atol=1e-6)


def test_it_repeats_with_the_seed_and_not_with_the_size_of_batches(tmp_path: Any) -> None:
    net, _ = networks()
    words: dict[str, Any] = {**WORDS, "uncertainty": MCDropout(4)}
    found = explain(net, "gradient_shap", X, baselines=np.zeros_like(X), n_samples=3, **words)
    small = explain(net, "gradient_shap", X, baselines=np.zeros_like(X), n_samples=3, batch_size=2, **words)
    np.testing.assert_allclose(small.values, found.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(small.deviation, found.deviation, rtol=1e-5, atol=1e-6)
    back = Explanation.load(found.save(tmp_path / "e.npz"))
    np.testing.assert_array_equal(back.deviation, found.deviation)
    assert back.record is not None
    assert back.record.words["uncertainty"] == MCDropout(4)
    np.testing.assert_array_equal(back.rerun(net).deviation, found.deviation)
    assert "over masks" in found._repr_html_()


def test_beside_other_words() -> None:
    net, _ = networks()
    told: list[tuple[int, int, str]] = []
    noisy = explain(
        net,
        "saliency",
        X,
        noise=SmoothGrad(3, 0.1),
        uncertainty="mc_dropout",
        progress=lambda *given: told.append(given),
        **WORDS,
    )
    assert isinstance(noisy.deviation, np.ndarray)
    assert told[-1][0] == told[-1][1] == 3 * 3 * 50
    both = compare(net, "saliency", X, toolsets=["captum", "tf-keras-vis"], target=1, seed=0, uncertainty=MCDropout(3))
    np.testing.assert_allclose(both.explanations[0].deviation, both.explanations[1].deviation, rtol=1e-3, atol=1e-5)
    found = explain_many(net, ["saliency", "input_x_gradient"], X, uncertainty=MCDropout(3), **WORDS)
    assert all(isinstance(e, Explanation) and e.deviation is not None for e in found)
    at_layer = explain(net, "layer_conductance", X, layer="0", uncertainty=MCDropout(3), **WORDS)
    assert isinstance(at_layer.deviation, np.ndarray)
    assert at_layer.deviation.shape == at_layer.values.shape == (3, 8)


def test_the_model_is_left_as_it_was() -> None:
    net, twin = networks()
    explain(net, "lrp", X, toolset="zennit", target=1, uncertainty=MCDropout(2))
    explain(twin, "saliency", X, toolset="tf-keras-vis", target=1, uncertainty=MCDropout(2))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert not any("call" in vars(layer) for layer in twin.layers)
    plain = explain(net, "saliency", X, **WORDS)
    assert plain.deviation is None
    assert plain.coefficient_of_variation is None


class Beside(nn.Module):
    """What the dropout gets is added to what it returns."""

    def __init__(self, function: bool = False) -> None:
        super().__init__()
        self.first, self.dropout, self.last = nn.Linear(6, 8), nn.Dropout(RATE), nn.Linear(8, 4)
        self.function = function

    def forward(self, x: Any) -> Any:
        x = torch.tanh(self.first(x))
        dropped = nn.functional.dropout(x, RATE, self.training) if self.function else self.dropout(x)
        return self.last(x + dropped)


def test_what_cannot_be_is_refused() -> None:
    net, _ = networks()
    words = {**WORDS, "uncertainty": MCDropout(2)}
    theirs = {**words, "toolset": "tf-keras-vis"}
    assert explain(Beside().eval(), "saliency", X, **words).deviation is not None
    with pytest.raises(InvalidArgumentError, match="used beside it as well"):
        explain(Beside().eval(), "saliency", X, **theirs)
    assert explain(Beside(True).eval(), "saliency", X, **words).deviation is not None
    with pytest.raises(InvalidArgumentError, match="drops by a function"):
        explain(Beside(True).eval(), "saliency", X, **theirs)
    with pytest.raises(InvalidArgumentError, match="nothing in the model drops"):
        explain(nn.Linear(6, 4), "saliency", X, **words)
    with pytest.raises(InvalidArgumentError, match="uncertainty is an MCDropout"):
        explain(net, "saliency", X, **{**WORDS, "uncertainty": 50})
    with pytest.raises(InvalidArgumentError, match="was given none"):
        explain(
            net, "activation_maximization", target=1, toolset="tf-keras-vis", uncertainty=MCDropout(2),
            translation={"example_inputs": X},
        )  # fmt: skip


def test_what_drops_inside_a_layer_has_no_place_in_a_translation() -> None:
    """Between the layers of an LSTM: on the model as it is, masks reach it; of a translation it is told, or refused."""

    class Net(nn.Module):
        def __init__(self, rate: float) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 4, 2, dropout=RATE, batch_first=True)
            self.drop, self.out = nn.Dropout(rate), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return self.out(self.drop(self.rnn(x)[0][:, -1]))

    x = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    only = Net(0.0).eval()
    found = explain(only, "saliency", x, uncertainty=MCDropout(4), **WORDS)
    assert found.deviation.max() > 0
    there = {**WORDS, "toolset": "tf-keras-vis"}
    with pytest.raises(InvalidArgumentError, match="all that drops is inside layers"):
        explain(only, "saliency", x, uncertainty=MCDropout(4), **there)
    with pytest.warns(UnfitWarning, match="the dropout inside 'rnn' stays off"):
        found = explain(Net(RATE).eval(), "saliency", x, uncertainty=MCDropout(4), **there)
    assert found.deviation.max() > 0
