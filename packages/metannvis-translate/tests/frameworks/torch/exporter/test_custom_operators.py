"""Operators of PyTorch that its exporters write wrongly, for one batch size, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate
from torch import nn
from torch.nn import functional

from ....networks.torch_case import randomize

#: said by PyTorch of the model itself
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
ROWS = torch.tensor([0, 2])


class Applied(nn.Module):
    """A function of what a dense layer puts out, and of a module."""

    def __init__(self, function: Callable[..., Any], module: nn.Module | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)
        self.function, self.module = function, module

    def forward(self, x):
        y = self.fc(x)
        return self.function(y) if self.module is None else self.function(y, self.module)


def lstm(**options: Any) -> nn.Module:
    return nn.LSTM(5, 6, proj_size=3, **options)


def states(x: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """Steps and last states of a recurrent layer whose batch is first."""
    y, (h, c) = module(x)
    return torch.cat([y.flatten(1), h.transpose(0, 1).flatten(1), c.transpose(0, 1).flatten(1)], 1)


def pool_and_places(x: torch.Tensor) -> torch.Tensor:
    """An adaptive pool whose windows overlap, and where its results stand."""
    y, places = functional.adaptive_max_pool2d(x, (3, 2), return_indices=True)
    return y + places.to(x.dtype) * y


CASES: dict[str, Callable[[], nn.Module]] = {
    "projection": lambda: Applied(states, lstm(batch_first=True)),
    "projection_both_ways": lambda: Applied(states, lstm(batch_first=True, num_layers=2, bidirectional=True)),
    "projection_no_bias": lambda: Applied(
        lambda x, m: m(x.transpose(0, 1))[0].transpose(0, 1), lstm(bias=False)
    ),
    "average_without_padding": lambda: Applied(
        lambda x: functional.avg_pool2d(x[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    ),
    "index_add": lambda: Applied(lambda x: x.index_add(1, ROWS, x[:, :2] * 3)),
    "index_add_scaled": lambda: Applied(lambda x: x.index_add(2, ROWS, x[:, :, :2], alpha=2.0)),
    "index_fill": lambda: Applied(lambda x: x.index_fill(1, ROWS, 0.5) + x.index_fill(2, ROWS, 0.5)),
    "index_copy": lambda: Applied(lambda x: x.index_copy(1, ROWS, x[:, 1:3])),
    "take_along_dim": lambda: Applied(lambda x: torch.take_along_dim(x, x.argsort(2), 2) + x.take_along_dim(x.argmax(1, keepdim=True), 1)),
    "sort": lambda: Applied(lambda x: x.sort(1).values + x.sort(2, descending=True).values * x),
    "sort_stable": lambda: Applied(
        lambda x: torch.sort(x.round(), dim=1, stable=True)[0] + torch.sort(x.round(), dim=-1, descending=True, stable=True)[1] * x
    ),
    "argsort": lambda: Applied(lambda x: x.argsort(1) * x + torch.argsort(x.round(), dim=2, stable=True) * x),
    "msort": lambda: Applied(lambda x: torch.msort(x.transpose(0, 1)).transpose(0, 1)),
    "one_hot": lambda: Applied(lambda x: functional.one_hot(x.argmax(2), 5).to(x.dtype) * x.sum(1, keepdim=True)),
    "cdist": lambda: Applied(lambda x: torch.cdist(x, x[:, :2] * 0.5 + 1)),
    "cdist_of_equal_points": lambda: Applied(lambda x: torch.cdist(x, x)),
    "cdist_1": lambda: Applied(lambda x: torch.cdist(x, x[:, :2] * 0.5 + 1, p=1.0)),
    "cdist_3": lambda: Applied(lambda x: torch.cdist(x, x[:, :2] * 0.5 + 1, p=3.0)),
    "cdist_half": lambda: Applied(lambda x: torch.cdist(x, x[:, :2] * 0.5 + 1, p=0.5)),
    "median": lambda: Applied(lambda x: x.median(1, keepdim=True).values + x.nanmedian(2, keepdim=True).values + x.flatten(1).median(1).values[:, None, None]),
    "mode": lambda: Applied(lambda x: (x * 0.3).round().mode(2).values * x.sum(2) + x.mode(1).values[:, :4]),
    "pairs": lambda: Applied(lambda x: functional.pdist(x.sum(0)).sum() * x.flatten(1)),
    "diagonal_scatter": lambda: Applied(lambda x: x.diagonal_scatter(x[:, 1, 1:], 1, 1, 2)),
    "put": lambda: Applied(lambda x: x.sum(0).put(ROWS, x[0, 0, :2]) + x.sum(0).put(ROWS - 3, x[0, 0, :2], accumulate=True) * x),
    "nonzero_static": lambda: Applied(lambda x: torch.nonzero_static(x.sum(0) > 0, size=30, fill_value=7).sum() * x),
    "repeat_interleave": lambda: Applied(lambda x: x.repeat_interleave(torch.tensor([1, 0, 3, 2]), 1, output_size=6)),
    "segments": lambda: Applied(lambda x: torch.segment_reduce(x.transpose(0, 1), "mean", lengths=torch.tensor([1, 3]), axis=0).transpose(0, 1)),
    "places_of_adaptive_pool": lambda: Applied(lambda x: pool_and_places(x[:, None])),
    "smoothed_cross_entropy": lambda: Applied(
        lambda x: functional.cross_entropy(x.transpose(1, 2), x.argmax(2), label_smoothing=0.1, reduction="none")
        + functional.cross_entropy(x.transpose(1, 2), x.transpose(1, 2).softmax(1), torch.arange(1, 6, dtype=x.dtype), reduction="none")
    ),
    "gaussian_nll": lambda: Applied(lambda x: functional.gaussian_nll_loss(x, x * 0.5, x.abs().mean(2), reduction="none")),
    "cumprod": lambda: Applied(lambda x: x.cumprod(1) + x.relu().cumprod(-1)),
    "local_response": lambda: Applied(lambda x, m: m(x), nn.LocalResponseNorm(3)),
    "clamp": lambda: Applied(lambda x: x.clamp(-1, 0.5) + torch.clip(x, min=-0.3, max=2) + functional.hardtanh(x, -1, 0.5)),
    "remainder": lambda: Applied(lambda x: torch.fmod(x, 0.3) + torch.remainder(x, 0.7) + torch.fmod(torch.tensor(0.3, dtype=x.dtype), x)),
    "arithmetic": lambda: Applied(
        lambda x: ((((x * 10).to(torch.int32) & 7) | 8) ^ 3).to(x.dtype) * x
        + (((x * 10).long().abs() << 2) >> 1).to(x.dtype)
        + ((x * 10).long() // 3 % 4).to(x.dtype) * torch.div(x, 0.3, rounding_mode="floor")
        + (~(x * 3).int()).to(x.dtype) * torch.div(x, 0.3, rounding_mode="trunc")
    ),
}  # fmt: skip


def arrays(batch: int, seed: int, dtype: str) -> Any:
    return np.random.default_rng(seed).standard_normal((batch, 4, 5)).astype(dtype)


@pytest.mark.core(
    "projection",
    "average_without_padding",
    "index_add_scaled",
    "index_fill",
    "take_along_dim",
    "median",
    "mode",
    "places_of_adaptive_pool",
    "smoothed_cross_entropy",
    "sort",
    "cdist",
    "clamp",
    "arithmetic",
)
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_batch_size(name: str) -> None:
    model = randomize(CASES[name]())
    translation = translate(model, "keras", example_inputs=arrays(2, 0, "float32"), verify=False, dtype="float64")
    for batch in (1, 2, 5):
        report = check_equivalence(model, translation, arrays(batch, batch, "float64"), dtype="float64")
        assert report.passed, str(report)
        assert report.gradients[0].compared


@pytest.mark.core("cumprod", "remainder")
@pytest.mark.parametrize("name", ["projection", "clamp", "cdist", "cumprod", "remainder"])
def test_in_single_precision_with_the_gate(name: str) -> None:
    translation = translate(randomize(CASES[name]()), "keras", example_inputs=arrays(2, 0, "float32"))
    assert translation.report.passed
    assert not any("tried first" in note for note in translation.notes)


def test_a_projection_stays_three_weights() -> None:
    """Steps share them: training changes each of them once."""
    model = randomize(CASES["projection"]())
    translation = translate(model, "keras", example_inputs=arrays(2, 0, "float32"), verify=False)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert sum(int(np.prod(weight.shape)) for weight in translation.model.trainable_weights) == count


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        (Applied(lambda x: functional.one_hot((x.argmax(2) > 2).long()).sum(-1) * x.sum(2)), "torchscript"),
        (Applied(lambda x: torch.cdist(x, x[:, :2], p=1.0)), "torchscript"),
        (Applied(lambda x: functional.rrelu(x, training=True) * 0 + x), "auto"),
    ],
)
def test_refused_rather_than_wrong(model: nn.Module, engine: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match="one_hot|cdist|rrelu"):
        translate(model.eval(), "keras", example_inputs=arrays(2, 0, "float32"), verify=False, engine=engine)
