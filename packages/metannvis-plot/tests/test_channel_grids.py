"""Which channels a grid shows, and that it says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metannvis_plot import channel_grid
from metannvis_plot.channel_grids import select_channels
from metannvis_translate.errors import InvalidArgumentError


@pytest.fixture
def layer():
    """Eight channels of which 5, 2 and 7 are the largest, in this order; 0 has the largest single value."""
    values = np.full((1, 8, 3, 4), 0.01)
    values[0, 5], values[0, 2], values[0, 7] = -3, 2, 1
    values[0, 0, 0, 0] = 9
    return values


def shown(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.images]


def said(figure):
    return " ".join(figure.get_suptitle().split())


def test_the_largest_by_mean_magnitude(layer):
    figure = channel_grid(layer, axes="NCHW", channels=3)
    assert shown(figure) == ["channel 5", "channel 2", "channel 7"]
    assert said(figure) == "3 of 8 channels, largest mean |value|"
    np.testing.assert_array_equal(np.asarray(figure.axes[1].images[0].get_array()), layer[0, 2])


def test_the_largest_by_maximum(layer):
    figure = channel_grid(layer, axes="NCHW", channels=2, rank="max_abs")
    assert shown(figure) == ["channel 0", "channel 5"]
    assert "2 of 8 channels, largest max |value|" in said(figure)


def test_those_asked_for_in_their_order(layer):
    figure = channel_grid(layer, axes="NCHW", channels=[7, -8, 5])
    assert shown(figure) == ["channel 7", "channel 0", "channel 5"]
    assert "3 of 8 channels, as chosen" in said(figure)


def test_sixteen_by_default_and_all_of_few(layer):
    many = np.random.default_rng(0).normal(size=(1, 64, 2, 2))
    assert len(shown(channel_grid(many, axes="NCHW"))) == 16
    assert "16 of 64 channels, largest mean |value|" in said(channel_grid(many, axes="NCHW"))
    assert shown(channel_grid(layer, axes="NCHW")) == [f"channel {k}" for k in range(8)]
    assert "all 8 channels" in said(channel_grid(layer, axes="NCHW"))


def test_layouts_agree(layer):
    first = channel_grid(layer, axes="NCHW", channels=4)
    last = channel_grid(layer.transpose(0, 2, 3, 1), axes="NHWC", channels=4)
    assert shown(first) == shown(last)
    for one, other in zip(first.axes[:4], last.axes[:4], strict=True):
        np.testing.assert_array_equal(one.images[0].get_array(), other.images[0].get_array())


def test_one_scale_for_all_or_one_each(layer):
    shared = channel_grid(layer, axes="NCHW")
    assert {ax.images[0].get_clim() for ax in shared.axes if ax.images} == {(-9, 9)}
    own = channel_grid(layer, axes="NCHW", shared_scale=False, channels=[5, 2])
    assert [ax.images[0].get_clim() for ax in own.axes if ax.images] == [(-3, 3), (0, 2)]
    assert "a colour scale each" in own.get_supxlabel()


def test_signals_have_a_line_a_channel():
    values = np.random.default_rng(0).normal(size=(2, 3, 20))
    figure = channel_grid(values, axes="NCL", sample=1)
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), values[1, 2])
    assert "sample 1" not in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("channels", [0, -1, [], [8], [-9], 2.5, True])
def test_selections_that_are_none(layer, channels):
    with pytest.raises(InvalidArgumentError):
        channel_grid(layer, axes="NCHW", channels=channels)


@pytest.mark.parametrize(("axes", "shape"), [("NHW", (1, 2, 2)), ("NC", (1, 4)), ("NTF", (1, 2, 3))])
def test_values_without_channels(axes, shape):
    with pytest.raises(InvalidArgumentError, match="channel grid"):
        channel_grid(np.ones(shape), axes=axes)


def test_of_several_samples_a_row_is_a_channel_and_a_column_a_sample():
    layer = np.arange(3.0)[:, None, None, None] + 10 * np.arange(1, 13.0)[None, :, None, None] + np.zeros((3, 12, 2, 2))
    figure = channel_grid(layer, axes="NCHW", sample_names=["a", "b", "c"], clip=100)
    cells = [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]
    assert [int(cell[0, 0]) for cell in cells[:6]] == [120, 121, 122, 110, 111, 112]
    assert len(cells) == 3 * 8
    assert [ax.get_title(loc="left") for ax in figure.axes[:4]] == ["a", "b", "c", ""]
    assert figure.axes[3].get_ylabel() == "channel 10"
    assert "8 of 12 channels" in figure.get_suptitle()
    two = channel_grid(layer, axes="NCHW", sample=[2, 0], channels=[5])
    assert [int(ax.images[0].get_array()[0, 0]) for ax in two.axes[:2]] == [62, 60]


def test_unknown_rank(layer):
    with pytest.raises(InvalidArgumentError, match="rank"):
        channel_grid(layer, axes="NCHW", rank="alphabetical")


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(-9, 9)),
    st.integers(1, 12),
)
def test_no_channel_left_out_is_larger_than_one_shown(stack, many):
    picked, text = select_channels(stack, many)
    assert len(picked) == len(set(picked)) == min(many, len(stack))
    score = np.abs(stack).mean(axis=1)
    left = set(range(len(stack))) - set(picked)
    assert not left or score[sorted(left)].max() <= score[picked].min()
    assert str(len(stack)) in text or len(stack) == 1


@pytest.mark.parametrize("shape", [(1, 8, 3, 4), (1, 20, 9, 9), (1, 1, 5, 5)])
@pytest.mark.parametrize("shared", [True, False])
def test_the_title_meets_no_panel(shape, shared):
    figure = channel_grid(
        np.ones(shape), axes="NCHW", shared_scale=shared, title="A title of some length, which is broken into lines"
    )
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    for ax in figure.axes:
        assert not title.overlaps(ax.get_tightbbox())
