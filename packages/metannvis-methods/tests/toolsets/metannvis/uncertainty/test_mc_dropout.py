"""Predictions over dropout masks against exact expectations, and what is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_methods import MCDropout, UncertainPrediction, UnfitWarning, predict_uncertain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.errors import DamagedFileError
from metannvis_translate.frameworks.requirements import require
from onnx import TensorProto, helper, numpy_helper

torch = require("torch")
keras = require("keras")
nn, layers = torch.nn, keras.layers
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(6, 3)).astype(np.float32)
X = RNG.normal(size=(4, 6)).astype(np.float32)
RATE = 0.3


def linear(framework: str) -> Any:
    """``W · dropout(x)``, whose expectation is ``W · x`` and whose variance is Σ w² x² p / (1 − p)."""
    if framework == "torch":
        model = nn.Sequential(nn.Dropout(RATE), nn.Linear(6, 3, bias=False)).eval()
        model[1].weight.data = torch.from_numpy(WEIGHTS.T.copy())
        return model
    if framework == "tensorflow":
        model = keras.Sequential([keras.Input((6,)), layers.Dropout(RATE), layers.Dense(3, use_bias=False)])
        model.layers[-1].set_weights([WEIGHTS])
        return model
    nodes = [
        helper.make_node("Dropout", ["x", "rate", "training"], ["dropped"], "drop"),
        helper.make_node("MatMul", ["dropped", "w"], ["y"], "dense"),
    ]
    constants = {"rate": np.float32(RATE), "training": np.bool_(True), "w": WEIGHTS}
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "onnx"])
def test_the_mean_is_the_exact_expectation(framework: str) -> None:
    passes = 300 if framework == "onnx" else 2000
    found = predict_uncertain(linear(framework), X, MCDropout(passes), seed=0, probabilities=None)
    exact, variance = X @ WEIGHTS, (X**2 @ WEIGHTS**2) * RATE / (1 - RATE)
    errors = np.sqrt(variance / passes)
    assert (np.abs(found.mean - exact) <= 3 * errors).all()
    np.testing.assert_allclose(found.variance, variance, rtol=0.35 if framework == "onnx" else 0.15)
    assert found.entropy is None
    assert found.passes == passes


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "onnx"])
def test_masks_differ_between_passes_and_repeat_with_the_seed(framework: str) -> None:
    model = linear(framework)
    first = predict_uncertain(model, X, MCDropout(5), seed=3, keep=True)
    again = predict_uncertain(model, X, MCDropout(5), seed=3, keep=True, batch_size=1)
    other = predict_uncertain(model, X, MCDropout(5), seed=4, keep=True)
    assert first.outputs is not None
    assert again.outputs is not None
    assert len(np.unique(first.outputs[:, 0, 0])) == 5
    np.testing.assert_allclose(first.outputs, again.outputs, rtol=1e-6)
    assert (first.mean != other.mean).any()


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_nothing_but_dropout_trains_and_all_is_left_as_it_was(framework: str) -> None:
    if framework == "torch":
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(144, 3))
        x = RNG.normal(size=(2, 1, 8, 8)).astype(np.float32)
        model.train()  # which predictions of ours are not made in
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        generator = torch.get_rng_state()
    else:
        parts = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.SpatialDropout2D(0.5), layers.Flatten()]
        model = keras.Sequential([keras.Input((8, 8, 1)), *parts, layers.Dense(3)])
        x = RNG.normal(size=(2, 8, 8, 1)).astype(np.float32)
        state = {v.path: v.numpy() for v in model.variables}
    found = predict_uncertain(model, x, MCDropout(6), seed=0)
    assert found.variance.max() > 0
    if framework == "torch":
        assert model.training
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
        assert torch.equal(generator, torch.get_rng_state())
    else:
        assert all(np.array_equal(v.numpy(), state[v.path]) for v in model.variables)
        assert not any("call" in vars(layer) for layer in model.layers)


def test_a_graph_that_was_exported_for_training_drops_and_does_nothing_else() -> None:
    """Its batch normalisation, which is in training mode too, is that of the model in inference mode."""
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(RATE), nn.Linear(6, 3, bias=False)).eval()
    model[0].running_mean.data.uniform_(-1, 1)
    model[0].running_var.data.uniform_(0.5, 2)
    constants = {"rate": np.float32(RATE), "training": np.bool_(True), "w": model[2].weight.detach().numpy().T.copy()}
    norm = dict(zip(("g", "b", "mean", "var"), (t.numpy() for t in model[0].state_dict().values()), strict=False))
    nodes = [
        helper.make_node("BatchNormalization", ["x", *norm], ["n", "m2", "v2"], "norm", training_mode=1),
        helper.make_node("Dropout", ["n", "rate", "training"], ["d"], "drop"),
        helper.make_node("MatMul", ["d", "w"], ["y"], "dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "trained",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants | norm).items()],
    )
    exported = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    found = predict_uncertain(exported, X, MCDropout(5), seed=0)
    np.testing.assert_allclose(found.mean, predict_uncertain(model, X, MCDropout(5), seed=0).mean, atol=1e-5)


def test_entropy_and_mutual_information_against_their_definitions() -> None:
    found = predict_uncertain(linear("torch"), X, MCDropout(40), seed=0, keep=True)
    assert found.outputs is not None
    assert found.probabilities is not None
    logits = found.outputs.astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    mean = p.mean(0)
    entropy = -(mean * np.log(mean)).sum(1)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-12)
    np.testing.assert_allclose(found.probability_variance, p.var(0, ddof=1), atol=1e-12)
    np.testing.assert_allclose(found.entropy, entropy, atol=1e-12)
    np.testing.assert_allclose(found.mutual_information, entropy + (p * np.log(p)).sum(2).mean(0), atol=1e-12)
    np.testing.assert_allclose(found.variance, logits.var(0, ddof=1), atol=1e-12)


@pytest.mark.parametrize(
    ("end", "form"), [(nn.Softmax(1), "given"), (nn.Sigmoid(), "yes_no"), (nn.Identity(), "softmax")]
)
def test_what_an_output_is_taken_for(end: Any, form: str) -> None:
    model = nn.Sequential(*linear("torch"), end).eval()
    words: dict[str, Any] = {"seed": 0, "how": MCDropout(8)}
    found, named = predict_uncertain(model, X, **words), predict_uncertain(model, X, probabilities=form, **words)
    np.testing.assert_array_equal(found.entropy, named.entropy)
    assert found.entropy is not None
    assert found.entropy.shape == ((4, 3) if form == "yes_no" else (4,))


def test_a_result_in_a_file(tmp_path: Any) -> None:
    found = predict_uncertain(linear("torch"), X, MCDropout(3), seed=0, keep=True, labels=["a", "b", "c"])
    back = UncertainPrediction.load(found.save(tmp_path / "found"))
    assert back.labels == ("a", "b", "c")
    assert str(back) == str(found)
    for name in (
        "mean",
        "variance",
        "probabilities",
        "probability_variance",
        "entropy",
        "mutual_information",
        "outputs",
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert "mutual information" in found._repr_html_()
    np.savez(tmp_path / "bad.npz", meta=np.array('{"kind": "UncertainPrediction", "format": 1, "fields": {}}'))
    with pytest.raises(DamagedFileError, match="lacks mean"):
        UncertainPrediction.load(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(InvalidArgumentError, match="holds no UncertainPrediction"):
        UncertainPrediction.load(tmp_path / "other.npz")


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    predict_uncertain(linear("torch"), X, MCDropout(2), progress=lambda *given: told.append(given))
    assert told[-3:] == [(0, 2, "predict"), (1, 2, "predict"), (2, 2, "predict")]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="nothing in the model drops"):
        predict_uncertain(nn.Linear(6, 3), X)
    with pytest.raises(InvalidArgumentError, match="nothing in the model drops"):
        predict_uncertain(nn.Sequential(nn.Dropout(0.0), nn.Linear(6, 3)), X)
    graph = linear("onnx")
    graph.graph.node[0].CopyFrom(helper.make_node("Identity", ["x"], ["dropped"]))
    onnx.checker.check_model(graph)
    with pytest.raises(InvalidArgumentError, match="exporters leave it out for inference"):
        predict_uncertain(graph, X)
    with pytest.raises(InvalidArgumentError, match="at least 2"):
        MCDropout(1)
    with pytest.raises(InvalidArgumentError, match="probabilities is one of"):
        predict_uncertain(linear("torch"), X, probabilities="many")
    with pytest.raises(InvalidArgumentError, match="does not run on inputs of shape"):
        predict_uncertain(linear("torch"), X[:, :4])


def test_dropout_out_of_reach_is_told() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(6, 2, 8, 0.3, batch_first=True)).eval()
    with pytest.warns(UnfitWarning, match="stays off"):
        found = predict_uncertain(model, X[:, None], MCDropout(3), seed=0, probabilities=None)
    assert found.variance.max() > 0
    assert set(found.dropout) == {"0.dropout1", "0.dropout", "0.dropout2"}
