"""Extremal perturbation against its formulas written out, PyTorch's own optimizer, and a network that looks at two patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require
from scipy.ndimage import gaussian_filter

from .networks import SOURCES, inputs, randomized, source

torch = require("torch")
nn = torch.nn

from metannvis_methods.toolsets.metannvis.backprop.blurring import blurred  # noqa: E402
from metannvis_methods.toolsets.metannvis.backprop.smooth_masks import SmoothMask  # noqa: E402


def dense_mask(coarse: Any, sizes: tuple[int, int], step: int, sigma: float) -> Any:
    """m(u) = smax_i k(|u - u_i| / sigma) m_i over the cells within 2 sigma, those beyond the border as at it; coarse of shape (cells, cells)."""
    far = 12
    padded = nn.functional.pad(coarse[None, None], (far,) * 4, mode="replicate")[0, 0]
    rows = (torch.arange(len(padded)) - far + 0.5) * step - 0.5
    columns = (torch.arange(padded.shape[1]) - far + 0.5) * step - 0.5
    down = torch.arange(sizes[0])[:, None, None, None] - rows[:, None]
    across = torch.arange(sizes[1])[None, :, None, None] - columns[None, :]
    distance = torch.sqrt(down.double() ** 2 + across.double() ** 2) / sigma
    values = (torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2) * padded).flatten(2)
    weights = torch.exp(20 * values) * (distance <= 2).flatten(2)
    return (values * weights).sum(-1) / weights.sum(-1)


@pytest.mark.parametrize(("sizes", "step", "sigma"), [((9, 12), 3, 4.0), ((10, 7), 2, 3.0)])
def test_a_coarse_mask_is_enlarged_by_its_formula(sizes: tuple[int, int], step: int, sigma: float) -> None:
    coarse = torch.rand(-(-sizes[0] // step), -(-sizes[1] // step), dtype=torch.float64)
    found = SmoothMask(sizes, step, sigma, coarse)(coarse[None])[0]
    np.testing.assert_allclose(found, dense_mask(coarse, sizes, step, sigma), rtol=1e-9)
    ones = SmoothMask(sizes, step, sigma, coarse)(torch.ones_like(coarse)[None])
    assert ones.min() > 0.95 and ones.max() <= 1


@pytest.mark.parametrize(("edges", "mode"), [(True, "nearest"), (False, "constant")])
@pytest.mark.parametrize("sigma", [0.4, 2.0, 9.0])
def test_the_blur_is_scipys(edges: bool, mode: str, sigma: float) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 14, 9))
    expected = gaussian_filter(x, (0, 0, sigma, sigma), mode=mode)
    np.testing.assert_allclose(blurred(torch.from_numpy(x), (2, 3), sigma, edges=edges), expected, atol=1e-12)


class Patches(nn.Module):
    """Two scores: how much neighbours differ in either channel, which is the same for a mirrored image."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, x: Any) -> Any:
        rough = (x[..., 1:] - x[..., :-1]) ** 2
        return self.scale * rough.sum((2, 3))


#: A patch that is rough in the one channel, and another in the other.
X = np.full((2, 2, 24, 24), 0.5)
X[:, 0, 4:9, 14:20] += np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5, 6))
X[:, 1, 16:21, 3:9] += np.random.default_rng(1).uniform(-0.5, 0.5, (2, 5, 6))


@pytest.mark.parametrize("reward", ["preserve", "delete", "dual", "contrastive"])
def test_the_mask_lies_where_the_output_comes_from(reward: str) -> None:
    found = explain(
        Patches(), "extremal_perturbation", X, target=[0, 1], reward=reward, n_steps=400 if reward == "delete" else 200
    )
    assert found.axes == "NHW"
    for values, (own, other) in zip(found.values, (((4, 14), (16, 3)), ((16, 3), (4, 14))), strict=True):
        at_own, at_other = (values[i : i + 5, j : j + 6].mean() for i, j in (own, other))
        # to delete it is enough to take a part of the patch away
        assert at_own > (0.2 if reward == "delete" else 0.9) and at_other < 0.2 * at_own
        assert values.mean() == pytest.approx(0.1, abs=0.05)


def descended(area: float, n_steps: int, target: int) -> Any:
    """The method with PyTorch's optimizer and a mask over every cell, on the first sample."""
    x, scale = torch.from_numpy(X[:1]), 24 / 224
    levels = [
        torch.from_numpy(gaussian_filter(X[:1], (0, 0, s * scale, s * scale), mode="nearest"))
        for s in np.linspace(20, 0, 8)
    ]
    coarse = torch.ones(24, 24, dtype=torch.float64, requires_grad=True)
    reference = torch.cat([torch.zeros(576 - round(area * 576)), torch.ones(round(area * 576))]).double()
    optimizer = torch.optim.SGD([coarse], lr=0.01, momentum=0.9, dampening=0.9)
    for step in range(n_steps):
        mask = dense_mask(coarse, (24, 24), 1, 21 * scale)
        at = mask * 7
        low = at.detach().floor().clamp(max=6)
        shown = torch.zeros_like(x)
        for k in range(7):
            here = (low == k).double()
            shown = shown + here * (levels[k] + (at - k) * (levels[k + 1] - levels[k]))
        shown = shown.flip(-1) if step % 2 == 0 else shown
        values = mask.flatten().sort().values
        # values that are equal but for rounding, as all are at first, are held against the mean of what they stand for
        gaps = torch.cat([torch.zeros(1), (values.detach().diff() > 1e-6).double().cumsum(0)])
        equal = gaps[:, None] == gaps[None]
        far = ((values - equal.double() @ reference / equal.sum(1)) ** 2).mean()
        optimizer.zero_grad()
        (300 * 1.0035**step * far - Patches()(shown)[0, target]).backward()
        optimizer.step()
        with torch.no_grad():
            coarse.clamp_(0, 1)
    return dense_mask(coarse.detach(), (24, 24), 1, 21 * scale).numpy()


def test_the_descent_is_that_of_pytorchs_optimizer() -> None:
    found = explain(Patches(), "extremal_perturbation", X[:1], target=1, areas=(0.2,), n_steps=12).values[0]
    expected = descended(0.2, 12, 1)
    assert expected.min() < 0.9  # it has moved
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_several_areas_are_added_up() -> None:
    words = {"target": 0, "n_steps": 5}
    parts = [explain(Patches(), "extremal_perturbation", X, areas=(a,), **words).values for a in (0.05, 0.3)]
    both = explain(Patches(), "extremal_perturbation", X, areas=(0.05, 0.3), **words).values
    np.testing.assert_allclose(both, parts[0] + parts[1], rtol=1e-12)
    one_by_one = explain(Patches(), "extremal_perturbation", X, areas=(0.05, 0.3), batch_size=1, **words).values
    np.testing.assert_allclose(one_by_one, both, rtol=1e-9)


@pytest.mark.parametrize("kind", ["signal", "image", "volume"])
def test_twins_of_every_framework_have_the_same_masks(kind: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source(kind, framework)
        maps.append(explain(model, "extremal_perturbation", x, target=1, n_steps=3).values)
    assert maps[0].shape == (2, *inputs(kind).shape[2:])
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-5)


def test_what_it_refuses() -> None:
    table = randomized(nn.Linear(5, 2))
    with pytest.raises(InvalidArgumentError, match=r"input 0 \(NF\) has none"):
        explain(table, "extremal_perturbation", np.ones((1, 5)), target=0)
    with pytest.raises(InvalidArgumentError, match="compares classes"):
        explain(Patches(), "extremal_perturbation", X, target=lambda y: y[:, 0], reward="contrastive")
    with pytest.raises(
        InvalidArgumentError, match="areas of extremal_perturbation is a tuple of numbers between 0 and 1"
    ):
        explain("none.onnx", "extremal_perturbation", X, areas=(1.2,))
    with pytest.raises(DeadlineError):
        explain(Patches(), "extremal_perturbation", X, target=0, deadline=1e-6)
