"""Functions that the exporters' own libraries write wrongly away from ordinary values, against PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import translate
from torch import nn
from torch.nn import functional


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: Any) -> Any:
        return self.function(*given)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Where terms cancel, the digits that are left depend on what was drawn."""
    torch.manual_seed(0)


def compare(function: Callable[..., Any], example: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Translate with one example, compare values and gradients on another."""
    translation = translate(Function(function), "torch", example_inputs=example)
    results = []
    for model in (function, translation.model):
        given = [x.clone().requires_grad_(x.is_floating_point()) for x in other]
        y = model(*given)
        floats = [x for x in given if x.requires_grad]
        results.append([y.detach(), *torch.autograd.grad((y * y.detach().cos()).sum(), floats)])
    for wanted, found in zip(*results, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_logarithm_of_a_sigmoid_that_is_rounded_to_zero() -> None:
    compare(
        functional.logsigmoid,
        (torch.randn(2, 4),),
        (torch.tensor([[-20.0, -90.0, -104.0, -1000.0], [20.0, 1.0, 0.0, 90.0]]),),
    )


def test_angle_on_the_axes_and_at_infinity() -> None:
    inf = float("inf")
    axes = torch.tensor(
        [[0.0, -1.0], [-0.0, -1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [3.0, -0.0], [2.0, -1.0], [-1.0, -2.0]]
    )
    example = (torch.randn(2, 3), torch.randn(2, 3))
    compare(torch.atan2, example, (axes[:, :1].expand(8, 3), axes[:, 1:].expand(8, 3)))
    origin = torch.zeros(2, 3)
    compare(torch.atan2, example, (origin, origin))
    model = translate(Function(torch.atan2), "torch", example_inputs=example).model
    y, x = torch.tensor([[inf, -inf, inf]]), torch.tensor([[inf, -inf, -1.0]])
    np.testing.assert_allclose(model(y, x).detach().numpy(), torch.atan2(y, x).numpy(), rtol=1e-6)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["mean", "sum", "amax"])
def test_reductions_of_repeated_indices(reduce: str, include_self: bool) -> None:
    def pool(x: Any, i: Any) -> Any:
        return (x * 2).scatter_reduce(1, i, x, reduce=reduce, include_self=include_self)

    other = torch.randn(2, 4), torch.tensor([[0, 0, 0, 1], [1, 1, 2, 2]])
    compare(pool, (torch.randn(2, 4), torch.tensor([[2, 0, 1, 3], [3, 2, 1, 0]])), other)


@pytest.mark.parametrize("options", [{}, {"periodic": False}, {"periodic": False, "alpha": 0.6}], ids=str)
def test_windows_have_their_own_coefficients(options: dict[str, Any]) -> None:
    x = torch.randn(2, 8)
    compare(lambda x: x * torch.hamming_window(8, **options) + torch.hann_window(8) * x, (x,), (x,))


@pytest.mark.parametrize("padding", [0, 2, -1])
@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_bags_leave_out_their_padding(mode: str, padding: int) -> None:
    torch.manual_seed(0)
    bag = nn.EmbeddingBag(7, 4, mode=mode, padding_idx=padding).eval()
    with torch.no_grad():
        bag.weight.normal_()
    translation = translate(bag, "torch", example_inputs=torch.tensor([[1, 3, 3, 4], [5, 1, 1, 3]]))
    skip = padding % 7
    rows = torch.tensor([[1, 3, skip, skip], [skip, skip, skip, skip], [3, skip, 4, 0]])
    np.testing.assert_allclose(translation.model(rows).detach(), bag(rows).detach(), rtol=1e-6)


@pytest.mark.parametrize("function", [torch.log1p, torch.expm1])
@pytest.mark.parametrize("target", ["torch", "keras"])
def test_functions_keep_their_digits_near_zero(function: Callable[..., Any], target: str) -> None:
    x = torch.tensor([[1e-9, -1e-9, 1e-20, 3e-5, 0.5]])
    translation = translate(Function(function), target, example_inputs=(torch.rand(2, 5),))
    found = translation.model(x).numpy() if target == "torch" else np.asarray(translation.model(x.numpy()))
    np.testing.assert_allclose(found, function(x.double()).numpy(), rtol=3e-7)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (torch.erfc, -6.0, 26.0),
        (torch.special.erfcx, -25.0, 60.0),
        (torch.erfinv, -1.0, 1.0),
        (torch.special.ndtri, 0.0, 1.0),
        (torch.i0, -600.0, 600.0),
    ],
)
def test_special_functions_keep_their_digits_in_double_precision(
    function: Callable[..., Any], low: float, high: float
) -> None:
    ends = (high - low) * 10.0 ** -np.arange(1, 15)
    x = np.concatenate([np.linspace(low, high, 501), low + ends, high - ends])[:, None]
    model = translate(Function(function).double(), "torch", example_inputs=x[:4], verify=False, dtype="float64").model
    results = []
    for computed in (function, model):
        given = torch.tensor(x).requires_grad_()
        y = computed(given)
        inner = torch.isfinite(y)
        (slope,) = torch.autograd.grad(y[inner].sum(), given)
        results.append((y.detach().numpy(), slope.numpy()[inner.numpy()]))
    (wanted, slopes), (found, ours) = results
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(ours, slopes, rtol=1e-8, atol=1e-12)


def test_a_step_of_what_is_no_number_is_none() -> None:
    x = torch.tensor([[float("nan"), 0.0, -0.0, -1.0, 2.0]])
    model = translate(Function(lambda x: torch.heaviside(x, x + 0.5)), "torch", example_inputs=torch.randn(2, 5)).model
    np.testing.assert_array_equal(model(x).detach().numpy(), torch.heaviside(x, x + 0.5).numpy())
