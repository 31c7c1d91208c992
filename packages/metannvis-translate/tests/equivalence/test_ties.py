"""Ties in the check: what nobody defines is not called wrong, and everything else still is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate
from torch import nn

Selection = Callable[[torch.Tensor, torch.Tensor], Any]


class Selecting(nn.Module):
    """Entries of one tensor, picked by the order of another, of which many are equal."""

    def __init__(self, select: Selection, *, swapped: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scores, self.values, self.select = nn.Linear(12, 40), nn.Linear(12, 40), select
        self.swapped = swapped

    def forward(self, x: torch.Tensor) -> Any:
        values = self.values(x)
        return self.select(self.scores(x), values.flip(1) if self.swapped else values)


def topk(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, places = scores.relu().topk(30, 1)
    return best, torch.gather(values, 1, places), places


def sort(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, places = scores.round().sort(1)
    return best, torch.gather(values, 1, places)


def descending(scores: torch.Tensor, values: torch.Tensor) -> Any:
    return torch.gather(values, 1, scores.round().repeat(1, 20).argsort(1, descending=True)[:, :40] % 40)


def kthvalue(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, place = scores.round().kthvalue(20, 1, keepdim=True)
    return best, torch.gather(values, 1, place)


def median(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, place = scores.round().median(1, keepdim=True)
    return best, torch.gather(values, 1, place)


def mode(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, place = scores.round().mode(1, keepdim=True)
    return best, torch.gather(values, 1, place)


def unsorted(scores: torch.Tensor, values: torch.Tensor) -> Any:
    best, places = scores.topk(30, 1, sorted=False)
    return best, torch.gather(values, 1, places)


def mask(scores: torch.Tensor, values: torch.Tensor) -> Any:
    return values * torch.zeros_like(values).scatter(1, scores.relu().topk(30, 1)[1], 1.0)


SELECTIONS = [topk, sort, descending, kthvalue, median, mode, unsorted, mask]


def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((3, 12)).astype(np.float32))


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("select", SELECTIONS)
def test_equal_entries_are_compared_in_one_order(select: Selection, to: str) -> None:
    report = translate(Selecting(select).eval(), to, example_inputs=images()).report
    assert report is not None and report.passed
    assert all(row.compared for row in (*report.outputs, *report.layers, *report.gradients))


def test_the_report_says_what_was_open() -> None:
    report = translate(Selecting(topk).eval(), "tensorflow", example_inputs=images()).report
    assert report is not None
    assert any(
        "equal entries are compared in the order of their places: topk of PyTorch" in note for note in report.notes
    )


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("select", SELECTIONS)
def test_a_wrong_permutation_among_ties_is_found(select: Selection, to: str) -> None:
    wrong = translate(Selecting(select, swapped=True).eval(), to, example_inputs=images())
    report = check_equivalence(Selecting(select).eval(), wrong, images())
    assert not report.passed


class Detector(nn.Module):
    """Scores that nothing but rounding tells apart, as an untrained detector has them, and a box for each.

    ``sums``: they are sums of the same numbers in other orders, which rounding tells apart in any precision.
    """

    def __init__(self, *, scale: float = 1e-8, swapped: bool = False, sums: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.scores, self.boxes = nn.Linear(16, 64), nn.Linear(64, 50), nn.Linear(64, 50)
        self.clear, self.swapped, self.sums = nn.Linear(16, 6), swapped, sums
        with torch.no_grad():
            self.scores.weight *= scale
            self.scores.bias.fill_(-1.3)

    def forward(self, x: torch.Tensor) -> Any:
        h = torch.tanh(self.first(x))
        if self.sums:
            scores = torch.stack([(h.roll(k, 1) * (h.roll(k + 1, 1) + 0.3)).cumsum(1)[:, -1] for k in range(50)], 1)
        else:
            scores = torch.sigmoid(self.scores(h))
        scores, places = scores.topk(10, 1)
        clear = self.clear(x)
        return scores, torch.gather(self.boxes(h), 1, places), clear.flip(1) if self.swapped else clear


@pytest.mark.parametrize("sums", [False, True])
def test_what_rounding_decides_is_told(sums: bool) -> None:
    """In double precision or, where nothing is left of a difference there, without what the order changes."""
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32))
    report = translate(Detector(sums=sums).eval(), "tensorflow", example_inputs=x).report
    assert report is not None and report.passed
    scores, boxes, clear = report.outputs
    assert scores.compared and clear.compared
    told = " ".join([boxes.reason, *report.notes])
    assert "outputs were compared in double precision" in told
    assert ("which of nearly equal entries comes first in topk" in told) == sums
    wrong = translate(Detector(sums=sums, swapped=True).eval(), "tensorflow", example_inputs=x)
    assert not check_equivalence(Detector(sums=sums).eval(), wrong, x).passed


def test_scores_that_differ_are_compared_whole() -> None:
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32))
    report = translate(Detector(scale=1.0).eval(), "tensorflow", example_inputs=x).report
    assert report is not None and report.passed and not report.notes
    assert all(row.compared for row in (*report.outputs, *report.gradients))


class Amplifying(nn.Module):
    """A normalisation of two numbers that hardly differ: rounding is most of what it returns."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.last = nn.Linear(12, 12), nn.LayerNorm(2, eps=1e-12), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm((self.first(x) * 1e-4 + 1).reshape(-1, 6, 2)).flatten(1))


def test_amplified_rounding_is_decided_in_double_precision() -> None:
    report = translate(Amplifying().eval(), "tensorflow", example_inputs=images()).report
    assert report is not None and report.passed
    assert report.outputs[0].max_rel < 1e-6
    assert any("as far as rounding takes the source's own" in note for note in report.notes)
    other = Amplifying().eval()
    with torch.no_grad():
        other.last.weight[0, 0] += 1e-3
    assert not check_equivalence(
        Amplifying().eval(), translate(other, "tensorflow", example_inputs=images()), images()
    ).passed


class Careful(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log1p(torch.exp(x) * 1e-6)


class Careless(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(1 + torch.exp(x) * 1e-6)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
def test_digits_that_the_source_keeps_are_not_lost(to: str) -> None:
    """In double precision the two agree well enough; the single one has lost most of its digits."""
    careless = translate(Careless(), to, example_inputs=images())
    report = check_equivalence(Careful(), careless, images())
    assert not report.passed and report.worst("outputs") > 1e-2


class Guarded(nn.Module):
    """The derivative of what is left out is not a number, and PyTorch multiplies it by zero."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x.sqrt(), x * 0)


def test_a_derivative_of_the_source_that_is_no_number_is_not_compared() -> None:
    report = translate(Guarded(), "tensorflow", example_inputs=images()).report
    assert report is not None and report.passed and report.gradients[0].compared
    assert any("is not a number at" in note for note in report.notes)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
def test_statistics_of_a_batch_of_any_size(to: str) -> None:
    class Standardized(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x - x.mean(0)) / (x.std(0) + 1)

    made = translate(Standardized(), to, example_inputs=images())
    other = torch.cat([images(), images() * 2, images() - 1])
    ours = made.to_source(made.model(made.to_target(other)), role="output")
    assert np.allclose(np.asarray(ours), Standardized()(other).numpy(), atol=1e-6)
