"""Assignments through masks and places, and searches in sorted sequences, against PyTorch in double precision at other batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate
from torch import nn

MASK = torch.tensor([True, False, True, False])
MASK_2D = torch.tensor([[True, False, True, False], [False] * 4, [True, True, False, False]])
CHANNELS = torch.tensor([True, False, True])


class Applied(nn.Module):
    """A function of an input and of buffers."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("mask", MASK)
        self.register_buffer("mask_2d", MASK_2D)
        self.register_buffer("channels", CHANNELS)
        self.register_buffer("pair", torch.tensor([0.3, -0.7]))
        self.register_buffer("row", torch.tensor([0.3, -0.7, 1.5, 2.0]))
        self.register_buffer("repeated", torch.tensor([0, 2, 2, 1]))
        self.register_buffer("negative", torch.tensor([0, -1, -1, 1]))
        self.register_buffer("two", torch.tensor([0, 2]))
        self.register_buffer("from_end", torch.tensor([-1, 0]))
        self.register_buffer("bounds", torch.arange(-2.0, 3.0))
        self.register_buffer("unsorted", torch.tensor([1.0, -1.0, 0.3]))

    def forward(self, x):
        return self.function(self, x)


def put(
    key: Callable[..., Any], value: Callable[..., Any], whole: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """``y = x.clone(); y[key] = value``."""

    def function(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = x.clone() if whole is None else whole(x)
        y[key(module, x)] = value(module, x)
        return y

    return function


def add_in_place(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[..., module.mask] += x[..., ~module.mask]
    y[x < 0] *= 0.1
    return y


def rows_of(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(x.shape[0])[:, None]


def searched(module: nn.Module, x: torch.Tensor, **options: Any) -> torch.Tensor:
    return x * torch.searchsorted(module.bounds, x, **options)


VECTOR, IMAGE = (4,), (3, 4)
CASES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "mask of a buffer": (put(lambda m, x: (slice(None), m.mask), lambda m, x: m.pair), VECTOR),
    "mask of a buffer, one value": (put(lambda m, x: (slice(None), m.mask), lambda m, x: 0.5), VECTOR),
    "mask of a buffer, computed values": (put(lambda m, x: (slice(None), m.mask), lambda m, x: x[:, ~m.mask] * 2), VECTOR),
    "mask of two axes": (put(lambda m, x: (slice(None), m.mask_2d), lambda m, x: x[:, m.mask_2d] * 2), IMAGE),
    "mask of two axes, one value": (put(lambda m, x: (slice(None), m.mask_2d), lambda m, x: 7.0), IMAGE),
    "mask and an integer": (put(lambda m, x: (slice(None), m.channels, 1), lambda m, x: x[:, m.channels, 2]), IMAGE),
    "mask and a slice": (put(lambda m, x: (slice(None), slice(1, None), m.mask), lambda m, x: m.pair), IMAGE),
    "computed mask": (put(lambda m, x: x < 0, lambda m, x: x[x < 0].exp()), VECTOR),
    "computed mask of an image": (put(lambda m, x: x > 0, lambda m, x: x[x > 0] * 3), IMAGE),
    "computed mask and an integer": (
        put(lambda m, x: (x > 0, 0), lambda m, x: x[x > 0], lambda x: x.new_zeros(*x.shape, 2)), VECTOR
    ),
    "computed mask of rows": (put(lambda m, x: x.sum(1) > 0, lambda m, x: m.row), VECTOR),
    "computed mask of rows, computed values": (put(lambda m, x: x.sum(1) > 0, lambda m, x: x[x.sum(1) > 0] * 2), VECTOR),
    "computed mask of rows and columns": (put(lambda m, x: x.sum(2) > 0, lambda m, x: x[x.sum(2) > 0].tanh() / 2), IMAGE),
    "computed mask of rows and columns, a row": (put(lambda m, x: x[:, :, 0] > 0, lambda m, x: m.row), IMAGE),
    "in place": (add_in_place, VECTOR),
    "masked_scatter": (lambda m, x: x.masked_scatter(x > 0, x * 2), VECTOR),
    "masked_scatter of a smaller mask": (lambda m, x: x.masked_scatter(m.mask, x * 2), VECTOR),
    "accumulated over a free batch": (
        lambda m, x: x.index_put((rows_of(x), m.repeated[None]), torch.ones_like(x), accumulate=True), VECTOR
    ),
    "accumulated at negative places": (
        lambda m, x: x.index_put((rows_of(x), m.negative[None]), x * 2, accumulate=True), VECTOR
    ),
    "set over a free batch": (put(lambda m, x: (rows_of(x), m.two), lambda m, x: x[:, :2] * 5), VECTOR),
    "places that broadcast": (
        put(lambda m, x: (slice(None), m.two[:, None], m.from_end[None]), lambda m, x: x[:, :2, :2]), IMAGE
    ),
    "places apart": (put(lambda m, x: (slice(None), m.two, slice(None), m.from_end), lambda m, x: 1.5), (3, 2, 4)),
    "a table for each sample": (lambda m, x: m.mask_2d.to(x.dtype).repeat(x.shape[0], 1).reshape(-1, 3, 4) * x, IMAGE),
    "a number less integers": (lambda m, x: (1.0 - m.repeated) * x, VECTOR),
    "searchsorted": (searched, VECTOR),
    "searchsorted, right": (lambda m, x: searched(m, x.round(), right=True), VECTOR),
    "searchsorted, side": (lambda m, x: searched(m, x.round(), side="right", out_int32=True), VECTOR),
    "searchsorted, a sequence a row": (lambda m, x: x * torch.searchsorted(x.sort(1)[0].contiguous(), x * 0.9), VECTOR),
    "searchsorted, sorter": (
        lambda m, x: x * torch.searchsorted(m.unsorted, x, sorter=m.unsorted.argsort()), VECTOR
    ),
    "searchsorted, a number": (lambda m, x: x * torch.searchsorted(m.bounds, 0.5), VECTOR),
}  # fmt: skip


@pytest.mark.parametrize("target", ["keras", "torch"])
@pytest.mark.parametrize("name", CASES)
def test_indexing_is_exact(name: str, target: str) -> None:
    function, shape = CASES[name]
    model = Applied(function).eval()
    random = np.random.default_rng(1)
    translation = translate(model, target, example_inputs=random.standard_normal((2, *shape)), dtype="float64")
    assert not any("fixed" in note for note in translation.notes)
    for batch in (1, 5):
        report = check_equivalence(model, translation, random.standard_normal((batch, *shape)), dtype="float64")
        assert report.passed, str(report)


def test_what_is_not_a_number_is_searched_for_as_pytorch_does() -> None:
    model = Applied(lambda m, x: torch.searchsorted(m.bounds, x))
    translation = translate(model, "keras", example_inputs=np.zeros((2, 4), "float32"))
    values = np.array([[np.nan, np.inf, -np.inf, 0.0]], "float32")
    assert np.array_equal(np.asarray(translation.model(values)), model(torch.from_numpy(values)).numpy())


class Behind(nn.Module):
    """What many text models take: a mask behind an input that is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)

    def forward(self, tokens, past=None, mask=None):
        return self.embed(tokens if past is None else past.tokens) * mask[..., None]


def test_inputs_go_by_name_where_one_in_between_is_left_out() -> None:
    inputs = {"tokens": np.array([[1, 2, 3], [4, 5, 6]]), "mask": np.array([[1.0, 1, 0], [1, 0, 0]], "float32")}
    model = Behind()
    translation = translate(model, "keras", example_inputs=inputs)
    assert translation.report is not None and translation.report.passed
    assert check_equivalence(model, translation, inputs).passed


class Regions(nn.Module):
    """Regions of images, which are no samples: there may be any number of them."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.options = options

    def forward(self, x, regions):
        return torchvision.ops.roi_align(x, regions, (2, 3), **self.options)


@pytest.mark.parametrize("count", [3, 4, 5])
@pytest.mark.parametrize("options", [{"aligned": True}, {"spatial_scale": 0.5}])
def test_regions_are_no_samples(options, count: int) -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 3, (count, 2))
    sample = np.array([2, 0, 1, 2, 0])[:count, None]
    regions = np.concatenate([sample, corners, corners + random.uniform(1, 3, (count, 2))], 1)
    model = Regions(sampling_ratio=2, **options)
    translation = translate(
        model, "keras", example_inputs=(random.standard_normal((3, 2, 8, 6)), regions), dtype="float64"
    )
    assert translation.report is not None and translation.report.passed
    assert all(row.passed for row in translation.report.gradients)


def test_regions_whose_points_are_data_are_refused_with_the_reason() -> None:
    inputs = (np.zeros((2, 2, 8, 6), "float32"), np.array([[0, 1, 1, 4, 5]], "float32"))
    with pytest.raises(UnsupportedOperatorError, match="sampling_ratio"):
        translate(Regions(), "keras", example_inputs=inputs)
