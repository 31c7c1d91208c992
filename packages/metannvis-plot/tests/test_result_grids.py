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


@pytest.mark.parametrize("samples", [1, 3])
def test_signals_stand_beside_what_was_seen(explanation, samples):
    seen = np.stack([np.arange(12.0), -np.arange(12.0)] * samples).reshape(samples, 2, 12)
    common = {"inputs": seen, "input_axes": "NCL"}
    layers = {
        f"conv{n}": explanation(np.ones((samples, n)), "NL", kind="layer", layer=f"conv{n}", **common) for n in (6, 3)
    }
    figure = plot(layers)
    assert len(figure.axes) == 3 * samples
    first, deep, shallow = figure.axes[:3]
    np.testing.assert_array_equal([line.get_ydata() for line in first.lines], seen[0])
    assert [len(ax.lines[0].get_ydata()) for ax in (deep, shallow)] == [6, 3]
    assert first.get_title(loc="left").startswith("input")
    assert "layer conv6" in deep.get_title(loc="left")


def test_a_vector_stands_beside_maps_with_the_names_of_features(explanation):
    image = {"inputs": np.zeros((1, 4, 6, 3)), "input_axes": "NHWC"}
    layer = explanation(np.arange(-30.0, 34.0)[np.newaxis], "NC", kind="layer", layer="fc", **image)
    figure = plot({"conv": explanation(np.ones((1, 2, 3)), "NHW", **image), "fc": layer})
    assert len(maps(figure)) == 2
    bars = figure.axes[-1]
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert len(names) == 20 and {"feature 63", "feature 0"} <= set(names)
    table = {"inputs": np.array([[39.0, 2.0]]), "input_axes": "NF"}
    results = [explanation(np.array([[0.5, -2.0]]), "NF", method=name, **table) for name in ("a", "b")]
    for ax in plot(results, names=["age", "children"]).axes:
        assert [label.get_text() for label in ax.get_yticklabels()] == ["age = 39", "children = 2"]


def test_tokens_have_their_words(explanation):
    results = [explanation(np.array([[0.5, -2.0, 1.0]]), "NT", method=name) for name in ("a", "b")]
    for ax in plot(results, names=["not", "a", "film"]).axes:
        assert [label.get_text() for label in ax.get_xticklabels()] == ["not", "a", "film"]
