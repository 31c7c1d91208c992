"""Volumes: slices through the largest value and projections."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_plot import plot, volume
from metannvis_translate.errors import InvalidArgumentError


@pytest.fixture
def data():
    """A volume 4 × 5 × 6 of distinct values, the largest magnitude at depth 1, row 0 and column 5."""
    values = np.linspace(-1, 1, 120).reshape(4, 5, 6)
    values[1, 0, 5] = -9
    return values


def maps(figure):
    return [np.asarray(ax.images[-1].get_array()) for ax in figure.axes if ax.images]


@pytest.mark.parametrize(("axes", "order"), [("DHW", (0, 1, 2)), ("HWD", (1, 2, 0)), ("WHD", (2, 1, 0))])
def test_three_slices_and_three_projections_in_any_layout(data, axes, order):
    found = maps(volume(data.transpose(order), axes=axes, clip=100))
    for drawn, expected in zip(found, (data[1], data[:, 0], data[:, :, 5]), strict=False):
        np.testing.assert_array_equal(drawn, expected)
    for axis, drawn in enumerate(found[3:]):
        largest = np.abs(data).max(axis)
        np.testing.assert_array_equal(np.abs(drawn), largest)
        assert drawn.min() == -9  # with its sign


def test_a_position_of_the_callers_and_the_input_beneath(data, explanation):
    result = explanation(data[None, None], "NCDHW", inputs=np.abs(data)[None, ..., None], input_axes="NDHWC")
    figure = plot(result, at=(0, -1, 2))
    below, above = figure.axes[1].images
    np.testing.assert_array_equal(above.get_array(), data[:, 4])
    np.testing.assert_allclose(below.get_array(), ((np.abs(data) - np.abs(data).min()) / np.ptp(np.abs(data)))[:, 4])
    assert "slice 4 of 5 along H" in figure.axes[1].get_title(loc="left")


@pytest.mark.parametrize("at", [(9, 0, 0), (0, 0), "middle", 3])
def test_a_position_outside(data, at):
    with pytest.raises(InvalidArgumentError, match="position"):
        volume(data, axes="DHW", at=at)


def test_a_picture_is_no_volume():
    with pytest.raises(InvalidArgumentError, match="volume"):
        volume(np.ones((3, 3)))
