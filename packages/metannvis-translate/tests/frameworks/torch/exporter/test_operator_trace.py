"""The recorder of operators: what it makes of a model is exact for every batch size, and what it cannot tell it leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate
from torch import nn
from torch.nn import functional

from ....networks.torch import randomize


class NormAct(nn.BatchNorm2d):
    """As in timm: a normalisation that inherits its weights, so that those of one without activation can be loaded."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=0.0123)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)
        return self.act(x)


class Scaled(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 4, 3)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * self.scale


IMAGES = np.random.default_rng(0).standard_normal((2, 3, 6, 8))


def test_a_subclass_that_adds_no_weights_is_exact() -> None:
    model = randomize(nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4), nn.Flatten(), nn.Linear(96, 2))).eval()
    translation = translate(
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine="trace", verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)
    assert {row.source.name for row in translation.layers} >= {"1", "1.act"}


def test_a_subclass_with_weights_of_its_own_is_exact() -> None:
    model = randomize(Scaled()).eval()
    translation = translate(
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine="trace", verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)


@pytest.mark.parametrize("engine", ["trace", "dynamo", "torchscript"])
def test_weights_that_only_happen_to_be_equal_stay_two(engine: str) -> None:
    """As in a network that was never trained: two normalisations of one width hold the same numbers."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3), nn.ReLU()).eval()
    translation = translate(model, "keras", example_inputs=IMAGES.astype("float32"), engine=engine, verify=False)
    layers = [layer for layer in translation.model.layers if type(layer).__name__ == "BatchNormalization"]
    assert [layer.name for layer in layers] == ["0", "2"]
    assert len(translation.model.trainable_weights) == 4


@pytest.mark.parametrize("engine", ["trace", "dynamo", "torchscript"])
def test_a_module_that_stands_twice_stays_one(engine: str) -> None:
    linear = nn.Linear(4, 4)
    model = nn.Sequential(linear, nn.Tanh(), linear).eval()
    translation = translate(
        model, "keras", example_inputs=np.ones((2, 4), np.float32), engine=engine, verify=False, dtype="float64"
    )
    assert len(translation.model.trainable_weights) == 2
    report = check_equivalence(model, translation, IMAGES[0, :, :, :4].reshape(-1, 4), dtype="float64")
    assert report.passed, str(report)


class InPlace(nn.Module):
    """What a layer put out is changed further on, in every way there is."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity())
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        match self.way:
            case "module":
                x = self.relu(x)
            case "functional":
                x = functional.relu(x, inplace=True)
            case "positional":
                x = functional.relu6(x, True)
            case "method":
                x.mul_(2.0)
            case "operator":
                x += x.mean((2, 3), True)
            case "entry":
                x[:, :, 1:] = x[:, :, 1:] * 2.0
            case "view":
                x[:, 1:].mul_(0.5)
            case "several at once":
                torch._foreach_mul_([x], 2.0)
        return self.last(x)


WAYS = ["module", "functional", "positional", "method", "operator", "several at once"]
#: Ways that PyTorch's TorchScript exporter has nothing for, or nothing that a free batch survives.
LEFT = ["entry", "view"]


@pytest.mark.parametrize(
    ("way", "engine"),
    [(way, "torchscript") for way in WAYS]
    + [(way, "trace") for way in (*WAYS, *LEFT) if way != "several at once"]
    + [("several at once", "auto")],
)
def test_what_is_changed_in_place_is_kept_as_it_was(way: str, engine: str) -> None:
    model = randomize(InPlace(way)).eval()
    translation = translate(
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine=engine, verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)
    assert {row.name for row in report.layers} >= {"first.0", "first.1", "first", "last"}


def test_a_trace_that_missed_a_change_in_place_is_made_again() -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            with torch._C.DisableTorchFunction():  # out of sight
                x.mul_(2.0)
            return self.last(x)

    model = randomize(Odd()).eval()
    translation = translate(
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine="trace", verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)
    assert {row.name for row in report.layers} == {"first", "last"}


@pytest.mark.parametrize("engine", ["trace", "torchscript"])
@pytest.mark.parametrize("first", [nn.Identity, nn.Dropout])
def test_a_layer_that_passes_an_input_on_takes_nothing_from_it(first: type[nn.Module], engine: str) -> None:
    signals = np.random.default_rng(0).standard_normal((2, 3, 8))
    plain, passing = (randomize(nn.Sequential(*more, nn.Conv1d(3, 4, 3), nn.Flatten())) for more in ([], [first()]))
    ports = []
    for model in (plain, passing):
        translation = translate(
            model.eval(),
            "keras",
            example_inputs=signals.astype("float32"),
            dtype="float64",
            engine=engine,
            verify=False,
        )
        report = check_equivalence(model, translation, signals, dtype="float64")
        assert report.passed, str(report)
        ports.append(translation.inputs[0])
    assert ports[0] == ports[1]


Forward = Callable[[torch.Tensor], Any]


class Layer(nn.Module):
    """A layer, and what is made of what it returns."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.layer, self.rest = nn.Linear(3, 4), forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.rest(self.layer(x))


def changed(view: Callable[[torch.Tensor], torch.Tensor], change: Callable[[torch.Tensor], Any]) -> Forward:
    """A view of a tensor is changed in place; the tensor, that view and another one, made before, are what is returned."""

    def forward(x: torch.Tensor) -> Any:
        x = x.view(-1, 2, 2) * 1.0
        other, seen = x.transpose(1, 2)[:, 1], view(x)
        change(seen)
        return x + 1, seen * 2, other * 3

    return forward


def mask_of_constants(x: torch.Tensor) -> torch.Tensor:
    mask = x.new_zeros(4, 4)
    mask[1:3, :2] = -5.0
    mask[0].fill_(2.0)
    return x @ mask.T.contiguous() + mask.diagonal()


def queue(x: torch.Tensor) -> torch.Tensor:
    row = torch.zeros_like(x)
    row[:, 0] = x[:, 1]
    row[:, 1:3].copy_(x[:, :1])
    row[:, 3].add_(row[:, 0])
    return row


#: Rows: forward passes that are recorded, and are the source's for every batch size.
RIGHT: dict[str, Forward] = {
    "select changed": changed(lambda x: x[:, 1], lambda v: v.mul_(3.0)),
    "slice changed": changed(lambda x: x[:, :, 1:], lambda v: v.add_(3.0)),
    "transposed changed": changed(lambda x: x.transpose(1, 2), lambda v: v[:, 0].mul_(3.0)),
    "permuted changed": changed(lambda x: x.permute(2, 0, 1), lambda v: v[0].mul_(3.0)),
    "regrouped changed": changed(lambda x: x.view(-1, 4), lambda v: v[:, 2].sub_(1.5)),
    "narrowed changed": changed(lambda x: x.narrow(1, 1, 1), lambda v: v.fill_(0.5)),
    "squeezed changed": changed(lambda x: x[:, :1].squeeze(1), lambda v: v.zero_()),
    "broadcast into": changed(lambda x: x[:, 1:], lambda v: v.copy_(torch.tensor([1.0, 2.0]))),
    "changed by what it holds": changed(lambda x: x[:, 0], lambda v: v.add_(v.mean(1, keepdim=True))),
    "mask of constants": mask_of_constants,
    "put together in place": queue,
    "rows by arange": lambda x: x[torch.arange(x.shape[0]), 1],
    "zeros by size": lambda x: x + torch.zeros(x.shape[0], 1).to(x.device),
    "ones by size": lambda x: torch.cat([x.new_ones(x.size(0), 2), x], 1),
    "token": lambda x: torch.cat([torch.full((1, 4), 0.3).expand(x.shape[0], -1), x], 1),
    "rows beside the batch": lambda x: torch.cat([x, torch.ones(1, 4)]).cumsum(1)[1:] + x,
    "batch into another axis": lambda x: x.view(-1, 2, 2).permute(1, 0, 2).reshape(2 * x.shape[0], 2).view(2, -1, 2)[0],
    "all in a line": lambda x: x.reshape(-1).view(x.numel() // 4, 4) * 2,
    "constant": lambda x: x * torch.tensor([1.5, 2.0, -1.0, 0.25]) + torch.tensor(0.1),
    "integers and floats": lambda x: x + (x > 0).long() * 2 + torch.arange(4) / 3,
    "condition": lambda x: torch.where(x > 0.1, x, 0.2) + x.masked_fill(x < 0, 1.0),
    "another layout": lambda x: x.t().contiguous().t() + x.T.mT,
    "one sample": lambda x: x.unsqueeze(1).squeeze(1) if x.dim() == 2 else x,
    "questions of a size": lambda x: x[:, : x.size(-1) - 1] if x.shape[1] == 4 and x.shape == (x * 1).shape else x,
}  # fmt: skip

#: Rows: forward passes that are left to another exporter, and what is said of them.
LEFT_ALONE: dict[str, tuple[Forward, str]] = {
    "branch on the batch": (lambda x: x * 2 if x.shape[0] == 1 else x, "size that is free"),
    "branch on the length": (lambda x: x * 2 if len(x) > 4 else x, "size that is free"),
    "loop over the batch": (lambda x: torch.stack([x[k] for k in range(x.shape[0])]), "size that is free"),
    "loop over rows": (lambda x: torch.stack([row * 2 for row in x]), "axis of free size"),
    "halves of the batch": (lambda x: x[: x.shape[0] // 2].sum() + x, "another way than as a multiple"),
    "every other sample": (lambda x: x[::2].sum() + x, "another way than as a multiple"),
    "root of the batch": (lambda x: x * x.shape[0] ** -0.5, "another way than as a multiple"),
    "pieces of the batch": (lambda x: x.chunk(2)[0].sum() + x, "axis of free size"),
    "squared batch": (
        lambda x: x.sum() * torch.ones(x.shape[0] * x.shape[0])[:1] + x,
        "another way than as a multiple",
    ),
    "value of the data": (lambda x: x * x.sum().item(), "DataDependent"),
    "branch on data": (lambda x: x * 2 if x.sum() > 0 else x, "DataDependent"),
    "as many as the data says": (lambda x: x[x > 0].sum() + x, "DynamicOutputShape"),
    "a diagonal that is changed": (lambda x: changed(lambda y: y.diagonal(0, 1, 2), torch.neg_)(x), "changed in place"),
    "random": (lambda x: x + torch.rand_like(x), "random"),
    "dropout at work": (lambda x: functional.dropout(x, 0.5, True), "random"),
    "statistics of the batch": (lambda x: functional.batch_norm(x, None, None, training=True), "its own statistics"),
}


@pytest.mark.parametrize("row", RIGHT)
def test_what_is_recorded_is_right_for_every_batch_size(row: str) -> None:
    random = np.random.default_rng(0)
    model = randomize(Layer(RIGHT[row])).eval()
    example = random.standard_normal((2, 3)).astype("float32")
    translation = translate(model, "torch", example_inputs=example, engine="trace", dtype="float64", verify=False)
    assert translation.inputs[0].source_shape == (None, 3)
    double = copy.deepcopy(model).double()
    for batch in (1, 2, 5):
        x = random.standard_normal((batch, 3))
        want, got = double(torch.from_numpy(x)), translation.model(torch.from_numpy(x))
        want, got = ((y,) if isinstance(y, torch.Tensor) else tuple(y) for y in (want, got))
        for place, (a, b) in enumerate(zip(want, got, strict=True)):
            found = translation.to_source(b.detach().numpy(), role="output", index=place)
            np.testing.assert_allclose(np.asarray(found), a.detach().numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("row", LEFT_ALONE)
def test_what_is_not_told_is_left(row: str) -> None:
    forward, reason = LEFT_ALONE[row]
    example = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    with pytest.raises(UnsupportedOperatorError, match=reason):
        translate(Layer(forward).eval(), "torch", example_inputs=example, engine="trace", verify=False)
