"""Localization: binarisation and the pointing game's tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.localization.binarize import binarized, intersection_over_union, strongest
from skimage.filters import threshold_otsu

from .planted import Planted, call_of, images, mask, measured, truth


def test_thresholds() -> None:
    maps = np.random.default_rng(0).standard_normal((2, 6, 5))
    np.testing.assert_array_equal(binarized(maps, "mean"), maps > maps.mean((1, 2), keepdims=True))
    assert binarized(maps, "quantile", 0.9).sum((1, 2)).tolist() == [3, 3]
    for one, found in zip(maps, binarized(maps, "otsu"), strict=True):
        np.testing.assert_array_equal(found, one > threshold_otsu(one))
    flat = np.ones((1, 4, 4))
    assert not any(binarized(flat, how).any() for how in ("quantile", "otsu", "mean"))
    spot = np.zeros((1, 4, 4))
    spot[0, 1, 1] = 1
    np.testing.assert_array_equal(binarized(spot, "quantile", 0.5), spot > 0)  # not everywhere
    with pytest.raises(InvalidArgumentError, match="threshold is one of"):
        binarized(maps, "median")


def test_intersection_over_union() -> None:
    first, second = np.zeros((3, 4), bool), np.zeros((3, 4), bool)
    first[0, :2] = second[0, 1:3] = first[1] = True
    np.testing.assert_allclose(intersection_over_union(first, second), [1 / 3, 0, 1])


def test_iou_of_the_planted_patch() -> None:
    model, x = Planted(), images()
    call = call_of("iou", model, x, truth(model, x), mask=mask())
    assert measured(call, quantile=1 - 16 / 144).scores == pytest.approx([1.0] * 3)
    assert measured(call, threshold="mean").scores == pytest.approx([1.0] * 3)


def test_strongest_of_equal_ones_are_the_first() -> None:
    np.testing.assert_array_equal(strongest(np.array([[1, 2, 2, 2]]), np.array([2])), [[False, True, True, False]])


@pytest.mark.parametrize(("tolerance", "hit"), [(0, 0.0), (1, 0.0), (1.5, 1.0), (None, 0.0), (15, 1.0)])
def test_the_pointing_game_tolerates(tolerance: float | None, hit: float) -> None:
    x = images(1)
    values = np.zeros((1, 1, 12, 12))
    values[0, 0, 3, 3] = 1.0  # diagonally beside the patch, √2 away; 15 pixels of 224 are 0.8 of 12
    call = call_of("pointing_game", Planted(), x, values, mask=mask())
    assert measured(call, tolerance=tolerance).scores == [hit]


def test_several_peaks_count_their_share() -> None:
    values = np.zeros((1, 1, 12, 12))
    values[0, 0, 5, 5] = values[0, 0, 0, 0] = 1.0
    assert measured(call_of("pointing_game", Planted(), images(1), values, mask=mask())).scores == [0.5]


def test_an_empty_mask_is_told() -> None:
    masks = np.stack([mask(), np.zeros_like(mask()), mask()])
    x = images()
    for name in ("mass_accuracy", "rank_accuracy", "pointing_game", "top_k_intersection", "iou"):
        found = measured(call_of(name, Planted(), x, x, mask=masks))
        assert np.isnan(found.scores).tolist() == [False, True, False]
        assert found.notes == ("there is no object in sample 1, and no score",)
    with pytest.raises(InvalidArgumentError, match="the masks are empty"):
        measured(call_of("mass_accuracy", Planted(), x, x, mask=masks & False))
