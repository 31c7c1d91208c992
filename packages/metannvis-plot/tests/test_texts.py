"""Running text: each word on the colour of its value."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import colormaps
from metannvis_plot import plot, text
from metannvis_plot.texts import words_of
from metannvis_translate.errors import InvalidArgumentError

WORDS = ["the", "film", "was", "$bad$", "<b>"]


def shown(ax):
    return [said.get_text() for said in ax.texts]


def test_each_word_stands_on_its_colour(explanation):
    values = np.array([[0.0, 1.0, -1.0, 2.0, -2.0]])
    ax = text(explanation(values, "NT"), names=WORDS).axes[0]
    assert shown(ax) == WORDS
    for patch, value in zip(ax.patches, values[0], strict=True):
        np.testing.assert_allclose(patch.get_facecolor(), colormaps["RdBu_r"]((value + 2) / 4), atol=1e-6)
    assert ax.texts[3].get_color() == "white"  # on dark red
    assert ax.texts[0].get_color() == "black"


def test_words_do_not_overlap_and_long_texts_are_broken():
    count = 80
    ax = text(np.linspace(-1, 1, count)[None], axes="NT", names=["word" * (1 + k % 4) for k in range(count)]).axes[0]
    boxes = [patch.get_bbox() for patch in ax.patches]
    lines = sorted({round(box.y0, 6) for box in boxes})
    assert len(lines) > 3
    assert all(box.x1 <= 6.4 + 1e-9 for box in boxes)
    for line in lines:
        row = [box for box in boxes if round(box.y0, 6) == line]
        assert all(right.x0 >= left.x1 for left, right in pairwise(row))
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    for said, patch in zip(ax.texts, ax.patches, strict=True):  # the word lies on its patch
        inside, outside = said.get_window_extent(renderer), patch.get_window_extent(renderer)
        assert inside.x0 >= outside.x0 - 1
        assert inside.x1 <= outside.x1 + 1


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["play", "##ing", "well"], [("play", True), ("ing", False), ("well", True)]),
        (["Ġplay", "ing", "Ġwell"], [("play", True), ("ing", False), ("well", True)]),
        (["▁play", "ing", "</s>"], [("play", True), ("ing", False), ("</s>", True)]),
        (["a", "b"], [("a", True), ("b", True)]),
    ],
)
def test_pieces_of_words_are_joined(tokens, expected):
    assert words_of(tokens, len(tokens)) == expected


def test_a_list_of_tokens_a_sample_and_features_summed(explanation):
    values = np.ones((2, 3, 4))
    figure = plot(explanation(values, "NTF"), names=[["a", "b", "c"], ["d", "e", "f"]])
    assert shown(figure.axes[0]) == ["a", "b", "c"]
    assert shown(figure.axes[1]) == ["d", "e", "f"]
    assert "sum over 4 features" in figure.axes[1].xaxis.get_label().get_text()


@pytest.mark.parametrize("names", [None, ["a"], "abcde", [["a"] * 5] * 3])
def test_bad_names(names):
    with pytest.raises(InvalidArgumentError, match="names"):
        text(np.ones((2, 5)), axes="NT", names=names)
