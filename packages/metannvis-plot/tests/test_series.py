"""Bars, lines and tokens."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from metannvis_plot import bars, curve, tokens
from metannvis_plot.color import NEGATIVE, POSITIVE
from metannvis_translate.errors import InvalidArgumentError


def note(ax):
    return " ".join(ax.xaxis.get_label().get_text().split())


def names(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_bars_in_order_the_first_at_the_top_colored_by_sign():
    figure = bars([1.0, -2.0, 0.5], names=["a", "b", "$c"])
    ax = figure.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [1, -2, 0.5]
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [POSITIVE, NEGATIVE, POSITIVE]
    assert names(ax.yaxis) == ["a", "b", "$c"]
    assert ax.yaxis_inverted()
    figure.canvas.draw()


def test_many_features_are_selected_and_it_is_said():
    values = np.zeros(300)
    values[[7, 9]] = 5, -6
    ax = bars(values, max_features=2).axes[0]
    assert names(ax.yaxis) == ["feature 9", "feature 7"]
    assert note(ax) == "2 of 300 features, largest |value|"


def test_a_panel_a_sample():
    figure = bars(np.arange(12.0).reshape(3, 4), axes="NF")
    assert len(figure.axes) == 3
    assert "sample 2" in figure.axes[2].get_title(loc="left")


def test_one_number_a_sample():
    figure = bars(np.array([1.0, 2.0]), axes="N")
    assert [ax.patches[0].get_width() for ax in figure.axes] == [1, 2]


@pytest.mark.parametrize("layout", ["NCL", "NLC"])
def test_a_line_over_positions_below_its_signal(explanation, layout):
    values = np.random.default_rng(0).normal(size=(1, 2, 30))
    turned = values.transpose([*map("NCL".index, layout)])
    figure = curve(explanation(turned, layout, inputs=turned, input_axes=layout))
    signal, line = figure.axes
    np.testing.assert_array_equal(signal.lines[1].get_ydata(), values[0, 1])
    np.testing.assert_array_equal(line.lines[0].get_ydata(), values[0].sum(0))
    assert note(line) == "position; sum over 2 channels"


def test_a_signal_of_many_channels_says_which_are_shown(explanation):
    values = np.ones((1, 9, 30))
    figure = curve(explanation(values, "NCL", inputs=values, input_axes="NCL"))
    assert "first 6 of 9 channels" in note(figure.axes[0])


def test_tokens_are_summed_over_their_features_and_named():
    values = np.random.default_rng(0).normal(size=(1, 3, 4))
    ax = tokens(values, axes="NTF", names=["the", "<b>", "$"]).axes[0]
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], values[0].sum(1))
    assert names(ax.xaxis) == ["the", "<b>", "$"]
    assert note(ax) == "sum over 4 features"


def test_many_tokens_keep_readable_names():
    figure = tokens(np.ones((1, 500)), axes="NT", names=[f"token{k}" for k in range(500)])
    assert len(figure.axes[0].get_xticks()) < 100
    assert figure.get_figwidth() <= 14


@pytest.mark.parametrize("draw", [bars, curve, tokens])
def test_pictures_are_no_series(draw):
    with pytest.raises(InvalidArgumentError, match="plot\\(\\) chooses"):
        draw(np.ones((2, 2)))


@pytest.mark.parametrize("given", [["a"], "abc", []])
def test_names_one_each(given):
    with pytest.raises(InvalidArgumentError, match="names must be 3"):
        bars([1.0, 2.0, 3.0], names=given)


def test_no_bars_at_all():
    with pytest.raises(InvalidArgumentError, match="max_features"):
        bars([1.0], max_features=0)


def test_features_are_named_with_the_values_that_they_have(explanation):
    table = {"inputs": np.array([[39.0, -0.5]]), "input_axes": "NF"}
    figure = bars(explanation(np.ones((1, 2)), "NF", **table), names=["age", "score"])
    assert names(figure.axes[0].yaxis) == ["age = 39", "score = -0.5"]
    layer = bars(explanation(np.ones((1, 2)), "NF", kind="layer", layer="fc", **table))
    assert names(layer.axes[0].yaxis) == ["feature 0", "feature 1"]
