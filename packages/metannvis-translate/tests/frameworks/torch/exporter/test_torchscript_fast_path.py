"""The quick exporter takes what it tells everything of, and leaves the rest to the others."""

from __future__ import annotations

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
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine="quick", verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)
    assert {row.source.name for row in translation.layers} >= {"1", "1.act"}


def test_a_subclass_with_weights_of_its_own_is_left() -> None:
    with pytest.raises(UnsupportedOperatorError, match="left to another exporter"):
        translate(Scaled(), "keras", example_inputs=IMAGES.astype("float32"), engine="quick", verify=False)


@pytest.mark.parametrize("engine", ["quick", "dynamo", "torchscript"])
def test_weights_that_only_happen_to_be_equal_stay_two(engine: str) -> None:
    """As in a network that was never trained: two normalisations of one width hold the same numbers."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3), nn.ReLU()).eval()
    translation = translate(model, "keras", example_inputs=IMAGES.astype("float32"), engine=engine, verify=False)
    layers = [layer for layer in translation.model.layers if type(layer).__name__ == "BatchNormalization"]
    assert [layer.name for layer in layers] == ["0", "2"]
    assert len(translation.model.trainable_weights) == 4


@pytest.mark.parametrize("engine", ["quick", "dynamo", "torchscript"])
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
    + [(way, "quick") for way in WAYS if way != "positional"]
    + [(way, "auto") for way in LEFT],
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
        model, "keras", example_inputs=IMAGES.astype("float32"), dtype="float64", engine="quick", verify=False
    )
    report = check_equivalence(model, translation, IMAGES, dtype="float64")
    assert report.passed, str(report)
    assert {row.name for row in report.layers} == {"first", "last"}


@pytest.mark.parametrize("engine", ["quick", "torchscript"])
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
