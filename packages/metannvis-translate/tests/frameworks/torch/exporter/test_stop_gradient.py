"""PyTorch models that stop gradients: the translation stops them in the same places, or the model is refused."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, check_equivalence, load_model, translate
from torch import nn
from torch.nn import functional

from ....networks.torch_case import randomize

SHAPE = (3, 4, 6)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
        self.head = nn.Linear(6, 5)
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]))


class Detached(Base):
    def forward(self, x):
        y = self.body(x)
        return self.head(y * torch.sigmoid(y).detach())


class Data(Base):
    def forward(self, x):
        return self.head(self.body(x) * x.tanh().data)


class Weights(Base):
    def forward(self, x):
        return functional.linear(x * x, self.head.weight.detach(), self.head.bias.data)


class Frozen(Base):
    def forward(self, x):
        with torch.no_grad():
            y = self.body(x)
        return self.head(y + x)


class Decorated(Base):
    @torch.no_grad()
    def scale(self, x):
        with torch.enable_grad():
            y = x.exp()
        return y, x.abs()

    def forward(self, x):
        y, z = self.scale(x)
        return self.head(y * z)


class InPlaceInside(Base):
    def forward(self, x):
        with torch.no_grad():
            y = self.body(x)
            y *= 2
            y[:, 0] = x[:, 0]
            z = torch.zeros_like(x)
            z.add_(y).clamp_(max=1.5)
            w = functional.relu(x - 0.1, inplace=True)
        return self.head(y + z * x + w.contiguous())


class Inference(Base):
    def forward(self, x):
        with torch.inference_mode():
            y = self.body(x)
        return self.head(y.clone() + x)


class DetachedInPlace(Base):
    def forward(self, x):
        y = self.body(x)
        z = y * 2
        y.detach_()
        return self.head(z + y * x)


class StraightThrough(Base):
    def forward(self, x):
        y = self.body(x)
        return self.head(y + (y.round() - y).detach())


class Softened(Base):
    """As ``gumbel_softmax(hard=True)`` does it."""

    def forward(self, x):
        soft = self.body(x).softmax(1)
        hard = torch.zeros_like(soft).scatter_(1, soft.max(1, keepdim=True)[1], 1.0)
        return self.head(hard - soft.detach() + soft)


class Number(Base):
    """A number that a tensor holds."""

    def forward(self, x):
        return self.head(x) * x.abs().mean().item()


class Same(torch.autograd.Function):
    """Written by hand to save memory; the derivative is what it should be."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return gradient * (s + x * s * (1 - s))


class ByHand(Base):
    def forward(self, x):
        return self.head(Same.apply(self.body(x)))


class Nothing(Base):
    """Detached is what has no gradient anyway."""

    def forward(self, x):
        scale = torch.arange(6.0, dtype=x.dtype).detach() * self.mean.detach().sum()
        with torch.no_grad():
            best = self.body(x).argmax(1)
            sizes = torch.ones(x.shape[-1], dtype=x.dtype)
        return self.head(x * scale.data * sizes + best[:, None])


EXACT: dict[str, tuple[type[nn.Module], int]] = {
    # the number of stops that the translation has
    "detach": (Detached, 1),
    "data": (Data, 1),
    "weights": (Weights, 2),
    "no_grad": (Frozen, 1),
    "decorator": (Decorated, 1),
    "in_place_inside": (InPlaceInside, 4),
    "inference_mode": (Inference, 1),
    "detach_": (DetachedInPlace, 1),
    "straight_through": (StraightThrough, 1),
    "softened": (Softened, 1),
    "function": (ByHand, 0),
    "nothing": (Nothing, 0),
    "item": (Number, 1),
}


def arrays(batch: int, seed: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(seed).standard_normal((batch, *SHAPE)).astype(dtype)


def assert_same(model: nn.Module, translation: Any) -> None:
    for batch in (1, 3):
        report = check_equivalence(model, translation, arrays(batch, batch), dtype="float64")
        assert report.passed, str(report)
        assert report.gradients[0].compared


#: The one exporter is ten times as fast as the other, which sees the same marks.
DYNAMO = ("detach", "decorator", "in_place_inside", "straight_through")


@pytest.mark.core(*(f"dynamo-{name}" for name in DYNAMO), *(f"torchscript-{name}" for name in EXACT))
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("engine", ["dynamo", "torchscript"])
def test_the_same_gradients(name: str, engine: str) -> None:
    make, count = EXACT[name]
    model = randomize(make())
    given = {"example_inputs": arrays(2, 0, "float32"), "verify": False, "engine": engine, "dtype": "float64"}
    if engine == "torchscript" and name in ("item", "in_place_inside"):
        # a trace would hold the example's own number; and it does not know the size of a part that is replaced
        with pytest.raises(UnsupportedOperatorError):
            translate(model, "keras", **given)
        return
    translation = translate(model, "keras", **given)
    assert_same(model, translation)
    names = [type(operation).__name__ for operation in translation.model.operations]
    assert names.count("StopGradient") == count, names


def test_whatever_exporter_is_taken() -> None:
    model = randomize(Detached())
    translation = translate(model, "keras", example_inputs=arrays(2, 0, "float32"), verify=False)
    assert_same(model, translation)
    assert translate(model, "keras", example_inputs=arrays(2, 0, "float32")).report.passed


def test_module_to_module() -> None:
    model = randomize(InPlaceInside())
    translation = translate(model, "torch", example_inputs=arrays(2, 0, "float32"), verify=False)
    assert_same(model, translation)


def test_onnx_knows_no_gradients_and_the_report_says_so() -> None:
    translation = translate(randomize(Detached()), "onnx", example_inputs=arrays(2, 0, "float32"))
    assert translation.report.passed
    assert not translation.report.gradients[0].compared
    assert any("stops gradients" in note for note in translation.notes)


def test_saved_model_still_stops_them(tmp_path: Path) -> None:
    model = randomize(Frozen())
    translation = translate(model, "keras", example_inputs=arrays(2, 0, "float32"))
    translation.save(tmp_path / "model.keras")
    loaded = dataclasses.replace(translation, model=load_model(tmp_path / "model.keras"))
    report = check_equivalence(model, loaded, arrays(3, 1, "float32"))
    assert report.passed, str(report)


@pytest.mark.core("detach", "in_place_inside")
@pytest.mark.parametrize("name", ["detach", "no_grad", "in_place_inside", "straight_through"])
def test_exported_program(name: str, tmp_path: Path) -> None:
    model = randomize(EXACT[name][0]())
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model, (torch.from_numpy(arrays(2, 0, "float32")),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "model.pt2")
    translation = translate(tmp_path / "model.pt2", "keras", verify=False, dtype="float64")
    assert_same(model, translation)


class Aliased(Base):
    def forward(self, x):
        y = self.body(x)
        z = y.detach()
        z[:, 0] = 1.0
        return self.head(y)


class AliasedView(Base):
    def forward(self, x):
        y = self.body(x)
        with torch.no_grad():
            z = y.transpose(1, 2)
        y.mul_(2)
        return self.head(z.transpose(1, 2) * x)


class ChangedOutside(Base):
    def forward(self, x):
        y = self.body(x)
        with torch.no_grad():
            y.mul_(2)
        return self.head(y)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


class GradientReversed(Base):
    def forward(self, x):
        return self.head(Reversed.apply(self.body(x)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Aliased, "__setitem__ changes a tensor in place that shares memory with a detached one"),
        (AliasedView, "mul_ changes a tensor in place that shares memory with a detached one"),
        (ChangedOutside, "mul_ changes a tensor in place while gradients are off"),
        (GradientReversed, "torch.autograd.Function Reversed is written by hand, and is not that"),
    ],
)
def test_what_a_graph_cannot_say_is_refused(make: type[nn.Module], reason: str) -> None:
    model = randomize(make())
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UnsupportedOperatorError, match=reason) as caught:
        translate(model, "keras", example_inputs=arrays(2, 0, "float32"), verify=False)
    assert "test_stop_gradient.py" in caught.value.where and "in forward" in caught.value.where
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
