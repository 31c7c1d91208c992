"""Weights that a source ties or does not train: a translation's are one and frozen, too."""

from __future__ import annotations

import copy
from typing import Any

import keras
import numpy as np
import pytest
import torch
from metannvis_translate import load_model, translate
from torch import nn

L = keras.layers
RANDOM = np.random.default_rng(0)
IDS = RANDOM.integers(0, 20, (2, 6))
ROWS = RANDOM.standard_normal((2, 7)).astype("float32")


class LanguageModel(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 6)
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 20, bias=bias)
        self.head.weight = self.table.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.body(self.table(x))))


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 7))
        self.bias = nn.Parameter(torch.randn(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(nn.functional.linear(x, self.weight).relu(), self.weight.t(), self.bias)


class TwoBiases(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(7, 7), nn.Linear(7, 7)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).relu())


def numpy_of(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def is_same(array: Any, other: Any) -> bool:
    return array.size == other.size and np.array_equal(np.sort(array, axis=None), np.sort(other, axis=None))


@pytest.mark.parametrize("to", ["torch", "keras"])
@pytest.mark.parametrize(
    ("make", "x"),
    [(lambda: LanguageModel(False), IDS), (lambda: LanguageModel(True), IDS), (Autoencoder, ROWS), (TwoBiases, ROWS)],
    ids=["embedding and head", "head with a bias", "a matrix and its transpose", "two biases"],
)
def test_a_tied_weight_stays_one(make: Any, x: Any, to: str) -> None:
    torch.manual_seed(0)
    model = make().eval()
    translation = translate(model, to, example_inputs=x)
    shared = max(model.parameters(), key=lambda parameter: parameter.numel())
    before = shared.detach().numpy().copy()
    if to == "torch":
        found = [p for p in translation.model.parameters() if is_same(p.detach().numpy(), before)]
        with torch.no_grad():
            found[0].mul_(1.5)
    else:
        found = [v for v in translation.model.trainable_variables if is_same(v.numpy(), before)]
        assert len(found) == 1
        found[0].assign(found[0].numpy() * 1.5)
    with torch.no_grad():
        shared.mul_(1.5)
    after = numpy_of(translation.model(translation.to_target(x)))
    np.testing.assert_allclose(after, model(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_tied_weight_is_one_parameter_where_its_form_is_one() -> None:
    translated = translate(LanguageModel(False).eval(), "torch", example_inputs=IDS).model
    assert sum(p.numel() for p in translated.parameters()) == 20 * 6 + 6 * 6 + 6
    assert any(
        p is q for p in [translated.get_submodule("table").weight] for q in [translated.get_submodule("head").weight]
    )


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.line, self.scale, self.out = nn.Linear(4, 5), nn.Parameter(torch.ones(5)), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.line(self.norm(self.conv(x)).relu().mean((2, 3))) * self.scale)


@pytest.mark.parametrize("frozen", ["", "conv", "norm", "line.weight", "scale", "conv norm line scale out"])
def test_frozen_weights_stay_frozen(frozen: str) -> None:
    model = Parts().eval()
    for name, parameter in model.named_parameters():
        if any(name.startswith(part) for part in frozen.split()):
            parameter.requires_grad_(False)
    x = RANDOM.standard_normal((2, 3, 5, 5)).astype("float32")
    trained = {name: p.requires_grad for name, p in model.named_parameters()}
    canonical = translate(model, "torch", example_inputs=x).model
    assert {name: p.requires_grad for name, p in canonical.named_parameters()} == trained
    to_keras = translate(model, "keras", example_inputs=x).model
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sum(v.numpy().size for v in to_keras.trainable_variables) == count
    back = translate(to_keras, "torch").model
    assert sum(p.numel() for p in back.parameters() if p.requires_grad) == count
    assert {name: p.requires_grad for name, p in model.named_parameters()} == trained


def test_a_frozen_keras_layer_stays_frozen() -> None:
    x = keras.Input((6, 4))
    model = keras.Model(x, L.Dense(3, name="out")(L.LSTM(5, name="lstm")(L.Conv1D(4, 2, name="conv")(x))))
    for names in (["conv"], ["lstm"], ["conv", "lstm"]):
        for layer in model.layers:
            layer.trainable = layer.name not in names
        translated = translate(model, "torch").model
        got = {
            path
            for path, module in translated.named_modules()
            for p in module.parameters(recurse=False)
            if not p.requires_grad
        }
        assert got == set(names)
        again = translate(translated, "keras").model
        assert sum(v.numpy().size for v in again.trainable_variables) == sum(
            v.numpy().size for v in model.trainable_variables
        )


def test_backward_hooks_are_told() -> None:
    model = nn.Sequential(nn.Linear(7, 3), nn.ReLU()).eval()
    assert not any("hooks" in note for note in translate(model, "torch", example_inputs=ROWS).notes)
    hooked = copy.deepcopy(model)
    hooked[1].register_full_backward_hook(lambda module, before, after: None)
    hooked[0].weight.register_hook(lambda gradient: gradient * 2)
    (note,) = [note for note in translate(hooked, "torch", example_inputs=ROWS).notes if "hooks" in note]
    assert "1, 0.weight" in note


class DoublesGradients(nn.Module):
    """A hook on a tensor, which ``forward`` sets where there are gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        if y.requires_grad:
            y.register_hook(lambda gradient: gradient * 2)
        return torch.tanh(y)


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_gradients_are_compared_without_hooks_that_change_them(to: str) -> None:
    hooked = nn.Sequential(nn.Linear(7, 3), nn.Tanh()).eval()
    hooked[0].register_full_backward_hook(lambda module, before, after: tuple(2 * g for g in before))
    for model, named in ((hooked, "(0)"), (DoublesGradients().eval(), "(forward)")):
        translation = translate(model, to, example_inputs=ROWS)
        assert translation.report is not None and translation.report.passed
        (note,) = [note for note in translation.notes if "hooks" in note]
        assert named in note
        x = torch.tensor(ROWS, requires_grad=True)
        model(x).sum().backward()
        assert x.grad is not None
        after = x.grad.clone()
        weights = (model[0] if isinstance(model, nn.Sequential) else model.body).weight
        plain = (1 - model(x).detach() ** 2) @ weights.detach()
        torch.testing.assert_close(after, 2 * plain)  # the model's own hooks are as they were


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_keep_their_weights(kind: Any) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = kind(7, 4, batch_first=True, bidirectional=True)
            self.out = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.memory(x)[0])

    source = Model().eval()
    made = translate(source, "torch", example_inputs=RANDOM.standard_normal((2, 5, 7)).astype("float32")).model
    assert isinstance(made.memory, kind)
    ours, theirs = dict(made.named_parameters()), dict(source.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


COMPUTED = {
    "a number": ((), lambda h, w: h * w.exp()),
    "a sum": ((7, 7), lambda h, w: torch.relu(h) @ (w + w.t()).softmax(0)),
    "a norm": ((3, 7), lambda h, w: nn.functional.linear(nn.functional.normalize(h), nn.functional.normalize(w))),
    "a place": ((4, 7), lambda h, w: h + w[:1]),
    "a scale": ((7,), lambda h, w: nn.functional.layer_norm(h, (7,), 1 + w)),
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_what_is_computed_of_weights_is_trained(kind: str) -> None:
    shape, function = COMPUTED[kind]

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line, self.weight = nn.Linear(7, 7), nn.Parameter(torch.randn(shape))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(self.line(x), self.weight)

    made = translate(Model().eval(), "torch", example_inputs=ROWS).model
    assert not list(made.buffers()) and len(list(made.parameters())) == 3
    made(torch.from_numpy(ROWS)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in made.parameters())


class TransposedTable(L.Layer):
    def __init__(self, table: Any, **options: Any) -> None:
        super().__init__(**options)
        self.table = table

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, keras.ops.transpose(self.table.embeddings))


def test_a_head_that_reads_a_table_is_tied_to_it() -> None:
    tokens = keras.Input((6,), dtype="int32")
    table = L.Embedding(20, 5)
    model = keras.Model(tokens, TransposedTable(table)(L.Dense(5)(table(tokens))))
    made = translate(model, "torch", example_inputs=IDS.astype("int32")).model
    assert len({weight.data_ptr() for weight in made.parameters()}) == len(model.weights)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_weights_that_are_frozen_alone_stay_so_in_files(ending: str, tmp_path: Any) -> None:
    source = nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3), nn.Linear(3, 2)).eval()
    for weight in (source[0].bias, source[1].weight, source[3].weight, *source[4].parameters()):
        weight.requires_grad_(False)
    made = translate(source, "keras", example_inputs=ROWS)
    path = tmp_path / f"model.{ending}"
    made.save(path)
    loaded = load_model(path)
    assert [w.trainable for w in loaded.weights] == [w.trainable for w in made.model.weights]
    assert [w.shape for w in loaded.trainable_variables] == [w.shape for w in made.model.trainable_variables]
    assert sum(w.trainable for w in loaded.weights) == 3
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), made.model.get_weights(), strict=True))
    assert keras.models.load_model(path, compile=False).count_params() == loaded.count_params()
