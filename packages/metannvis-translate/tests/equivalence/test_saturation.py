"""Saturated networks: right translations of which nothing but rounding is left at the inputs pass, wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate
from torch import nn

F = nn.functional


class Function(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def in_keras(name: str, slope: float) -> Any:
    import keras

    inputs = keras.Input((2,))
    return keras.Model(inputs, getattr(keras.ops, name)(inputs * slope))


#: what saturates, by name in both frameworks; the slope before it, and where
SATURATED = {
    "sigmoid": (10.0, 3.0),
    "tanh": (10.0, 1.5),
    "elu": (10.0, -3.0),
    "gelu": (10.0, -0.75),
    "silu": (10.0, -4.0),
    "softplus": (10.0, -3.0),
    "selu": (10.0, -3.0),
    "log_sigmoid": (1000.0, 0.03),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SATURATED)
@pytest.mark.parametrize("source", ["torch", "tensorflow"])
def test_a_right_translation_passes(source: str, name: str, dtype: str) -> None:
    slope, at = SATURATED[name]
    x = np.float32([[at, at], [at * 0.9, at * 1.1]])
    if source == "torch":
        function = getattr(torch, name, None) or getattr(F, name.replace("log_sigmoid", "logsigmoid"))
        model: Any = Function(lambda x: function(x * slope))
    else:
        model = in_keras(name, slope)
    to = "tensorflow" if source == "torch" else "torch"
    report = translate(model, to, example_inputs=x, dtype=dtype).report
    assert report is not None and report.passed


def test_it_is_told() -> None:
    report = translate(in_keras("sigmoid", 10.0), "torch", example_inputs=np.full((2, 2), 3.0), dtype="float64").report
    assert report is not None and any("saturates" in note for note in report.notes)


@pytest.mark.parametrize("slope", [9.9, 10.01])
def test_another_slope_is_found(slope: float) -> None:
    right, wrong = (Function(lambda x, s=s: torch.sigmoid(x * s)).double() for s in (10.0, slope))
    report = check_equivalence(right, wrong, np.full((2, 2), 3.0), dtype="float64")
    assert not report.passed
    assert report.only_gradients_fail


def test_small_numbers_are_compared_where_nothing_is_larger() -> None:
    """A model whose outputs and derivatives are small everywhere does not saturate."""
    right, wrong = (Function(lambda x, s=s: x * s).double() for s in (1e-13, 1.001e-13))
    report = check_equivalence(right, wrong, np.ones((2, 2)), dtype="float64")
    assert [row.passed for row in (*report.outputs, *report.gradients)] == [False, False]
