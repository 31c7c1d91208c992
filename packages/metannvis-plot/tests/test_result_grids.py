"""Grids of results: layers, methods or targets beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_plot import grid, plot
from metannvis_translate.errors import InvalidArgumentError


@pytest.fixture
def layers(explanation):
    def make(samples):
        pictures = np.zeros((samples, 4, 6, 3))
        pictures[:, 0, -1] = 1  # white at the top right
        return {
            f"conv{k}": explanation(
                np.full((samples, 2, 3), float(k)) + np.arange(samples)[:, None, None],
                "NHW",
                inputs=pictures,
                input_axes="NHWC",
                kind="layer",
                layer=f"conv{k}",
                method="grad_cam",
            )
            for k in (1, 2)
        }

    return make


def maps(figure):
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def titles(figure):
    return [" ".join(ax.get_title(loc="left").split()) for ax in figure.axes if ax.images]


def test_of_one_sample_the_input_and_a_map_a_result(layers):
    figure = plot(layers(1))
    first, one, two = maps(figure)
    assert first.shape == (4, 6, 3)
    np.testing.assert_array_equal(first[0, -1], 1)
    assert (one == 1).all()
    assert (two == 2).all()
    assert "layer conv2" in titles(figure)[2]
    assert figure.get_supxlabel().count("captum") == 1


def test_of_several_samples_a_row_each(layers):
    figure = grid(layers(3), sample=[2, 0])
    assert [int(found.max()) for found in maps(figure)] == [1, 3, 4, 1, 1, 2]
    corners = [ax.get_position() for ax in figure.axes if ax.images]
    assert corners[0].y0 == corners[1].y0 > corners[3].y0


def test_panels_are_of_one_size(layers):
    sizes = {tuple(np.round(ax.get_position().bounds[2:], 9)) for ax in plot(layers(1)).axes if ax.images}
    assert len(sizes) == 1


def test_arrays_are_named_by_their_keys():
    assert titles(grid({"a$": np.ones((2, 2)), "b": np.zeros((2, 2))})) == ["a$", "b"]


def test_without_inputs(explanation):
    assert len(maps(grid([explanation(np.ones((1, 2, 2)), "NHW")]))) == 1


@pytest.mark.parametrize("results", [{}, [], {"a": np.ones((1, 2, 2)), "b": np.ones((2, 2, 2))}])
def test_what_shares_no_grid(results):
    with pytest.raises(InvalidArgumentError):
        grid(results, axes="NHW")


def test_what_several_models_see_stands_with_each(layers):
    first, second = layers(1).values()
    first.prediction, second.prediction = ({"class": 1, "name": "cat"},), ({"class": 2, "name": "dog"},)
    assert [("cat" in said, "dog" in said) for said in titles(grid([first, second]))] == [(0, 0), (1, 0), (0, 1)]
    second.prediction = first.prediction
    assert ["cat" in said for said in titles(grid([first, second]))] == [True, False, False]
