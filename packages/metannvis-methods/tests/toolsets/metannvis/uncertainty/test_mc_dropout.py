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


def attending(framework: str) -> Any:
    """Attention of one head that looks everywhere alike, over identities: its output is the mean of the tokens."""
    zero, one = np.zeros((6, 6), np.float32), np.eye(6, dtype=np.float32)
    if framework == "torch":
        layer = nn.MultiheadAttention(6, 1, RATE, batch_first=True)
        layer.in_proj_weight.data = torch.from_numpy(np.concatenate([zero, zero, one]))
        layer.out_proj.weight.data = torch.from_numpy(one)

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.attend = layer

            def forward(self, x: Any) -> Any:
                return self.attend(x, x, x, need_weights=False)[0]

        return Model().eval()
    x = keras.Input((5, 6))
    attend = layers.MultiHeadAttention(1, 6, dropout=RATE, use_bias=False)
    model = keras.Model(x, attend(x, x))
    parts = [zero.reshape(6, 1, 6), zero.reshape(6, 1, 6), one.reshape(6, 1, 6), one.reshape(1, 6, 6)]
    attend.set_weights(parts)
    return model


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_dropout_of_attention_weights_has_its_exact_expectation(framework: str) -> None:
    """Σ_t m_t x_t / (T(1 − p)): mean Σ x_t / T, variance Σ x_t² p / ((1 − p) T²), at each query its own."""
    x = RNG.normal(size=(3, 5, 6)).astype(np.float32)
    found = predict_uncertain(attending(framework), x, MCDropout(1000), seed=0, probabilities=None, keep=True)
    exact = np.broadcast_to(x.mean(1, keepdims=True), x.shape)
    variance = np.broadcast_to((x**2).sum(1, keepdims=True) * RATE / (1 - RATE) / 25, x.shape)
    assert (np.abs(found.mean - exact) <= 4 * np.sqrt(variance / 1000)).all()
    np.testing.assert_allclose(found.variance, variance, rtol=0.25)
    assert found.outputs is not None
    assert (found.outputs[:, 0, 0] != found.outputs[:, 0, 1]).any()
    again = predict_uncertain(
        attending(framework), x, MCDropout(4), seed=0, probabilities=None, keep=True, batch_size=1
    )
    np.testing.assert_allclose(again.outputs, found.outputs[:4], atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("form", ["batch first", "time first", "packed", "both ways"])
def test_recurrent_layers_drop_between_their_layers(kind: str, form: str) -> None:
    """As one layer after the other with a dropout layer between them, under the same masks; without masks, to the bit."""
    first, both = form != "time first", form == "both ways"
    words = {"batch_first": first, "bidirectional": both}
    torch.manual_seed(0)
    whole = getattr(nn, kind)(6, 4, 3, dropout=RATE, **words).eval()
    ways = 1 + both
    parts = [getattr(nn, kind)(6 if k == 0 else 4 * ways, 4, 1, **words) for k in range(3)]
    for k, part in enumerate(parts):
        part.load_state_dict(
            {name.replace(f"_l{k}", "_l0"): t for name, t in whole.state_dict().items() if f"_l{k}" in name}
        )

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = whole

        def forward(self, x: Any) -> Any:
            x = x if first else x.transpose(0, 1)
            if form == "packed":
                x = nn.utils.rnn.pack_padded_sequence(x, [5, 3][: len(x)], batch_first=True)
            out, last = self.rnn(x)
            if form == "packed":
                out = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]
            ends = torch.cat([end.flatten() for end in (last if isinstance(last, tuple) else (last,))])
            return out.transpose(0, 1) if not first else out, ends

    class Stepwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.drop = nn.ModuleList(parts), nn.Dropout(RATE)

        def forward(self, x: Any) -> Any:
            x = x if first else x.transpose(0, 1)
            kept = torch.ones(x.shape[0], x.shape[1], 1)
            if form == "packed":
                kept[1:, 3:] = 0
            for k, part in enumerate(self.layers):
                x = part(x)[0] * kept
                x = self.drop(x) if k < 2 else x
            return x if first else x.transpose(0, 1)

    x = RNG.normal(size=(2, 5, 6)).astype(np.float32)
    with torch.no_grad():
        before = Whole()(torch.from_numpy(x))
    state = {name: t.clone() for name, t in whole.state_dict().items()}
    words = {"how": MCDropout(4), "seed": 0, "probabilities": None, "keep": True}
    found = predict_uncertain(Whole().eval(), x, output=0, **words)
    same = predict_uncertain(Stepwise().eval(), x, **words)
    np.testing.assert_allclose(found.outputs, same.outputs, atol=1e-6)
    assert found.variance.max() > 0
    assert found.dropout == ("rnn",)
    with torch.no_grad():
        after = Whole()(torch.from_numpy(x))
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
    assert all(torch.equal(t, state[name]) for name, t in whole.state_dict().items())


def test_a_transformer_drops_wherever_it_does_in_training() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(6, 2, 8, RATE, batch_first=True)).eval()
    x = RNG.normal(size=(3, 4, 6)).astype(np.float32)
    found = predict_uncertain(model, x, MCDropout(3), seed=0, probabilities=None, keep=True)
    assert found.dropout == ("0.self_attn", "0.dropout1", "0.dropout", "0.dropout2")
    one = predict_uncertain(model, x, MCDropout(3), seed=0, probabilities=None, keep=True, batch_size=1)
    np.testing.assert_allclose(one.outputs, found.outputs, atol=1e-6)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_layers_of_keras_drop_what_goes_in_and_the_state(kind: str, implementation: int) -> None:
    """Of one step from no state only the input counts: a linear cell has the exact expectation. Masks stay over all steps."""
    words: dict[str, Any] = {} if kind == "SimpleRNN" else {"implementation": implementation}
    if kind == "SimpleRNN":
        cell = layers.SimpleRNN(3, activation="linear", use_bias=False, dropout=RATE)
        model = keras.Sequential([keras.Input((1, 6)), cell])
        cell.set_weights([WEIGHTS, np.zeros((3, 3), np.float32)])
        found = predict_uncertain(model, X[:, None], MCDropout(2000), seed=0, probabilities=None)
        variance = (X**2 @ WEIGHTS**2) * RATE / (1 - RATE)
        assert (np.abs(found.mean - X @ WEIGHTS) <= 3 * np.sqrt(variance / 2000)).all()
    keras.utils.set_random_seed(0)
    layer = getattr(layers, kind)(4, dropout=0.3, recurrent_dropout=0.4, return_sequences=True, **words)
    model = keras.Sequential([keras.Input((5, 6)), layers.Bidirectional(layer), layers.BatchNormalization()])
    x = RNG.normal(size=(3, 5, 6)).astype(np.float32)
    before, state = model(x).numpy(), [v.numpy() for v in model.variables]
    found = predict_uncertain(model, x, MCDropout(4), seed=0, probabilities=None, keep=True)
    again = predict_uncertain(model, x, MCDropout(4), seed=0, probabilities=None, keep=True, batch_size=1)
    np.testing.assert_allclose(again.outputs, found.outputs, atol=1e-6)
    assert len(np.unique(found.outputs[:, 0, 0, 0])) == 4
    assert all(np.array_equal(v.numpy(), old) for v, old in zip(model.variables, state, strict=True))
    np.testing.assert_array_equal(model(x).numpy(), before)  # which draws, as Keras does, masks that it does not use
    held = [part for part in model._flatten_layers() if {"call", "_create_dropout_mask"} & set(vars(part))]
    assert not held


def test_a_cell_of_the_callers_own_stays_off_and_is_told() -> None:
    class Cell(layers.LSTMCell):
        """Keras' own with another name."""

    model = keras.Sequential([keras.Input((5, 6)), layers.RNN(Cell(4, dropout=0.5)), layers.Dropout(0.5)])
    with pytest.warns(UnfitWarning, match="stays off"):
        found = predict_uncertain(model, X[:, None].repeat(5, 1), MCDropout(3), seed=0)
    assert len(found.dropout) == 1
