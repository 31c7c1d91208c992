"""Comparisons: one scale a pair, the difference on a diverging one."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_plot import comparison
from metannvis_translate.errors import InvalidArgumentError


def pictures(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def note(ax):
    return " ".join(ax.xaxis.get_label().get_text().split())


def test_shared_colors_and_a_diverging_difference(compared):
    first, second = np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[0.0, 8.0], [3.0, 4.0]]])
    figure = comparison(compared(first, second))
    one, other, difference = pictures(figure)
    assert one.get_clim() == other.get_clim() == (0, 8)
    assert one.get_cmap().name == "viridis"
    np.testing.assert_array_equal(np.asarray(difference.get_array()), (first - second)[0])
    assert difference.get_clim() == (-6, 6)
    assert difference.get_cmap().name == "RdBu_r"
    assert "largest |difference| 6, 0.75 of the largest |value|" in note(figure.axes[2])
    assert "options aligned" in figure.get_suptitle()


def test_defaults_that_are_not_aligned_are_called_so(compared):
    figure = comparison(compared(np.ones((1, 2, 2)), np.ones((1, 2, 2)), aligned=False))
    assert "not aligned" in figure.get_suptitle()
    assert note(figure.axes[2]) == "identical"


def test_layouts_are_compared_position_by_position():
    values = np.random.default_rng(0).normal(size=(1, 3, 4, 5))
    figure = comparison([values, values.copy()], axes="NCHW")
    assert not np.asarray(pictures(figure)[2].get_array()).any()


def test_channels_first_against_channels_last(explanation):
    values = np.random.default_rng(0).normal(size=(1, 3, 4, 5))
    pair = [explanation(values, "NCHW"), explanation(values.transpose(0, 2, 3, 1), "NHWC")]
    assert not np.asarray(pictures(comparison(pair))[2].get_array()).any()


def test_maps_of_two_sizes_have_no_difference_and_it_says_why():
    figure = comparison([np.ones((2, 3)), np.ones((4, 6))])
    assert len(pictures(figure)) == 2
    assert "2 × 3 and 4 × 6" in " ".join(figure.axes[2].texts[0].get_text().split())


def test_every_pair_of_three_with_the_input_beside(explanation):
    batch = {"inputs": np.ones((2, 4, 4, 3)), "input_axes": "NHWC"}
    three = [explanation(np.full((2, 4, 4), k), "NHW", toolset=f"toolset {k}", **batch) for k in range(3)]
    figure = comparison(three, sample=1)
    assert len(pictures(figure)) == 3 * 4
    assert "toolset 1 − toolset 2" in figure.axes[11].get_title(loc="left")
    few = comparison(three, max_pairs=2, show_input=False)
    assert len(pictures(few)) == 2 * 3
    assert "first 2 of 3 pairs" in few.get_suptitle()


def test_normalized():
    values = np.random.default_rng(0).normal(size=(3, 3))
    figure = comparison([values, 100 * values], normalize=True, names=["one", "other"])
    assert np.abs(pictures(figure)[2].get_array()).max() < 1e-12
    assert "each divided by its largest |value|" in figure.get_suptitle()
    assert figure.axes[0].get_title(loc="left") == "one"


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("NF", (2, 5)), ("NF", (2, 90)), ("NC", (1, 4)), ("NCL", (1, 2, 30)), ("NTF", (1, 6, 4))],
)
def test_series(axes, shape):
    values = np.random.default_rng(0).normal(size=shape)
    figure = comparison([values, values + 1], axes=axes, sample=0)
    first, second, _ = figure.axes
    limits = [(ax.get_xlim(), ax.get_ylim()) for ax in (first, second)]
    assert limits[0] == limits[1]
    if shape == (2, 90):
        assert "20 of 90 features" in note(first)


def test_series_of_two_lengths():
    figure = comparison([np.ones(3), np.ones(4)])
    assert "3 and 4 values" in figure.axes[2].texts[0].get_text()


@pytest.mark.parametrize(
    ("results", "options", "match"),
    [
        ([np.ones((2, 2))], {}, "two results"),
        ([np.ones((2, 2)), np.ones(3)], {}, "different families"),
        ([np.ones((2, 2)), np.ones((2, 2))], {"names": ["a"]}, "names must be 2"),
        ([np.ones((2, 2)), np.ones((2, 2))], {"sample": 4}, "outside the batch"),
        (3, {}, "expected results"),
    ],
)
def test_what_cannot_be_compared(results, options, match):
    with pytest.raises(InvalidArgumentError, match=match):
        comparison(results, **options)


def test_samples_are_named(compared):
    values = np.ones((2, 2, 2))
    figure = comparison(compared(values, 2 * values), sample=1, sample_names=["a.png", "b.png"])
    assert [ax.get_title(loc="left").startswith("b.png") for ax in figure.axes[:2]] == [True, True]
