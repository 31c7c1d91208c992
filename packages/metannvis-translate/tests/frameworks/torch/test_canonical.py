"""The form that methods which hook on modules ask for: activations whole, and in the order in which one reads the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate import translate
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
F, nn = torch.nn.functional, torch.nn


class Between(nn.Module):
    """A function between two dense layers."""

    def __init__(self, function: Callable[[Any], Any], width: int) -> None:
        super().__init__()
        self.first, self.function, self.last = nn.Linear(5, 6), function, nn.Linear(width, 3)

    def forward(self, x: Any) -> Any:
        return self.last(self.function(self.first(x)))


@pytest.mark.parametrize(
    ("function", "expected", "width"),
    [
        (lambda x: F.elu(x, 0.7), "ELU(alpha=0.7)", 6),
        (F.softplus, "Softplus(beta=1.0, threshold=20.0)", 6),
        (lambda x: F.softplus(x, 2, 1.5), "Softplus(beta=2.0, threshold=1.5)", 6),
        (lambda x: F.threshold(x, 0.3, -0.2), "Threshold(threshold=0.3, value=-0.2)", 6),
        (lambda x: F.glu(x, 1), "GLU(dim=1)", 3),
        (F.leaky_relu, "LeakyReLU(negative_slope=0.01)", 6),
        (lambda x: x.tanh(), "Tanh()", 6),
    ],
)
def test_a_function_becomes_one_module_and_nothing_else(
    function: Callable[[Any], Any], expected: str, width: int
) -> None:
    model = Between(function, width).double()
    x = np.random.default_rng(0).standard_normal((4, 5)) * 3
    found = translate(model, "torch", example_inputs=x * 0.5, verify=False).model
    calls = [node for node in found.graph.nodes if node.op not in ("placeholder", "output")]
    assert [node.op for node in calls] == ["call_module"] * 3
    assert repr(found.get_submodule(calls[1].target)) == expected
    given = torch.from_numpy(x)
    assert torch.equal(found(given), model(given))


@pytest.mark.parametrize("to", ["tensorflow", "onnx"])
@pytest.mark.parametrize(
    ("function", "width"),
    [(lambda x: F.softplus(x, 2, 1.5), 6), (lambda x: F.threshold(x, 0.3, -0.2), 6), (lambda x: F.glu(x, 1), 3)],
)
def test_and_is_exact_elsewhere(function: Callable[[Any], Any], width: int, to: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, 5)) * 3
    found = translate(Between(function, width).double(), to, example_inputs=x, dtype="float64")
    assert found.report is not None
    assert found.report.passed


def test_a_keras_network_runs_in_the_order_in_which_it_reads() -> None:
    require("tensorflow")
    keras: Any = require("keras")
    layers = keras.layers
    given = keras.Input((4,))
    short = layers.Dense(3, name="short")(given)
    long = layers.Dense(3, name="long2")(layers.Dense(3, name="long1")(given))
    model = keras.Model(given, layers.Add(name="add")([short, long]))
    found = translate(model, "torch", verify=False).model
    assert [name for name, _ in found.named_children()] == ["short", "long1", "long2", "add"]


def test_tensors_lie_in_the_order_of_their_own_axes() -> None:
    images = np.zeros((2, 5, 6, 3)).transpose(0, 3, 1, 2)
    tensor = get_framework("torch").from_numpy(images)
    assert tensor.is_contiguous()
