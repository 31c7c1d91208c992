"""Every panel says method, toolset, layer, target, and whether the model was translated and how closely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from metannvis_plot import channel_grid, comparison, heatmap, images, overlay, overview, plot
from metannvis_plot.captions import ends_of, number, plain, target_text, translation_text, wrap
from metannvis_plot.fonts import span
from metannvis_translate.errors import InvalidArgumentError


def title(ax):
    return " ".join(ax.get_title(loc="left").split())


def foot(figure):
    return " ".join(figure.get_supxlabel().split())


ASKED = ("grad_cam", "layer layer4.1.conv2", "target 2 (tabby)")
HOW = ("tf-keras-vis", "translated torch → tensorflow", "outputs 3e-7, gradients 1.2e-6")


@pytest.fixture
def result(explanation):
    return explanation(
        np.random.default_rng(0).normal(size=(2, 3, 4, 6)),
        "NCHW",
        inputs=np.ones((2, 3, 4, 6)),
        input_axes="NCHW",
        method="grad_cam",
        toolset="tf-keras-vis",
        layer="layer4.1.conv2",
        target=[0, 2],
        labels=("dog", "cat", "tabby"),
    )


@pytest.mark.parametrize("draw", [heatmap, overlay, images])
def test_a_panel_says_what_was_seen_and_asked_and_the_foot_says_how_once(result, draw):
    result.prediction = (
        {"class": 1, "name": "cat", "probability": 0.5},
        {"class": 0, "name": "dog", "probability": 0.875},
    )
    result.options, result.warnings = {"expand_cam": False}, ("all values are zero",)
    figure = draw(result, sample=1)
    for words in ("sample 1", "predicted 0 (dog), 88 %", *ASKED):
        assert words in title(figure.axes[0])
    for words in (*HOW, "expand_cam=False", "note: all values are zero"):
        assert foot(figure).count(words) == 1


def test_on_the_callers_axes_the_notes_say_how(result):
    axes = Figure().add_subplot()
    figure = heatmap(result, sample=1, ax=axes)
    assert not figure.get_supxlabel()
    for words in HOW:
        assert words in " ".join(axes.xaxis.get_label().get_text().split())


def test_every_panel_of_an_overview_but_the_input(result):
    result.prediction = ({"value": 1.5}, {"class": 2, "probability": None, "value": 7.0})
    figure = overview(result)
    assert title(figure.axes[0]) == "input · sample 0 output 1.5"
    assert title(figure.axes[3]) == "input · sample 1 predicted 2"
    for words in ASKED:
        assert words in title(figure.axes[4])
    assert "target 0 (dog)" in title(figure.axes[1])
    assert all(words in foot(figure) for words in HOW)


def test_samples_have_the_names_of_their_files(result):
    figure = overview(result, sample_names=["a.png", "b$.png"])
    assert title(figure.axes[3]) == "b$.png"
    assert "b$.png" in title(figure.axes[4])
    with pytest.raises(InvalidArgumentError, match="sample_names must be 2"):
        overview(result, sample_names=["a.png"])


def test_a_grid_says_it_once_for_all_its_cells(result):
    figure = channel_grid(result, sample=1)
    said = " ".join(figure.get_suptitle().split())
    for words in (*ASKED, "sample 1", "all 3 channels"):
        assert words in said
    assert title(figure.axes[0]) == "channel 0"
    assert all(words in foot(figure) for words in HOW)


@pytest.mark.parametrize(
    ("method", "kind", "words"),
    [
        ("integrated_gradients", "primary", ("against", "for")),
        ("layer_conductance", "layer", ("against", "for")),
        ("saliency", "primary", ("lowers", "raises")),
        ("neuron_guided_backprop", "neuron", ("lowers", "raises")),
        ("layer_activation", "layer", None),
        ("activation_maximization", "feature_visualization", None),
    ],
)
def test_what_the_ends_of_the_colours_mean(explanation, method, kind, words):
    assert ends_of(explanation(0, "", method=method, kind=kind)) == words


def test_the_colour_bar_says_for_and_against(explanation):
    (ax,) = heatmap(explanation(np.array([[-1.0, 2.0]]), "HW")).axes
    assert {said.get_text() for said in ax.child_axes[0].texts} == {"against", "for"}
    (ax,) = heatmap(explanation(np.array([[1.0, 2.0]]), "HW")).axes
    assert not ax.child_axes[0].texts


def test_both_sides_and_the_difference_of_a_comparison(compared):
    figure = comparison(compared(np.ones((1, 2, 3)), np.zeros((1, 2, 3))))
    first, second, difference = (title(ax) for ax in figure.axes)
    assert "captum" in first
    assert "outputs 3e-7" in first
    assert "tf-keras-vis" in second
    assert "not translated (torch)" in second
    for words in (
        "integrated_gradients",
        "captum − tf-keras-vis",
        "target 3",
        "outputs 3e-7",
        "not translated",
    ):
        assert words in difference


@pytest.mark.parametrize(("axes", "shape"), [("NF", (1, 4)), ("NCL", (1, 2, 9)), ("NTF", (1, 3, 4))])
def test_series(explanation, axes, shape):
    figure = plot(explanation(np.ones(shape), axes, layer="fc", labels=["a", "b", "c", "d"]))
    for words in ("integrated_gradients", "layer fc", "target 3 (d)"):
        assert words in title(figure.axes[-1])
    for words in ("captum", "outputs 3e-7"):
        assert words in foot(figure)


def test_a_title_of_the_callers(result):
    assert title(heatmap(result, sample=0, title="mine\nown").axes[0]) == "mine own · sample 0"


def test_arrays_need_no_caption(signed):
    assert title(heatmap(signed).axes[0]) == ""


@pytest.mark.parametrize(
    ("target", "labels", "sample", "samples", "text"),
    [
        (None, None, 0, 1, "no target"),
        (3, None, 0, 1, "target 3"),
        (np.int64(1), ("a", "b"), 0, 1, "target 1 (b)"),
        (7, ("a", "b"), 0, 1, "target 7"),
        (-1, ("a", "b"), 0, 1, "target -1"),
        ([1, 0], ("a", "b"), 0, 2, "target 1 (b)"),
        (np.array([1, 0]), ("a", "b"), 1, 2, "target 0 (a)"),
        ([4], None, 2, 5, "target 4"),
        ([1, 0], ("a", "b"), None, 2, "targets 1 (b), 0 (a)"),
        ([[0, 1], [2, 3]], None, 1, 2, "target [2, 3]"),
        (list(range(20)), None, None, 20, "targets 0, 1, 2, 3, 4, 5, 6, 7, …"),
    ],
)
def test_targets(explanation, target, labels, sample, samples, text):
    assert target_text(explanation(0, "", target=target, labels=labels), sample, samples) == text


@pytest.mark.parametrize(
    ("translation", "text"),
    [
        (None, "not translated (torch)"),
        (
            {"from": "torch", "to": "tensorflow", "outputs": None},
            "translated torch → tensorflow, not checked",
        ),
        (
            {"from": "torch", "to": "torch", "outputs": 0.0},
            "made canonical (torch), relative error: outputs 0",
        ),
        (
            {"from": "torch", "to": "tensorflow", "outputs": 0.5, "passed": False},
            "translated torch → tensorflow, FAILED its check: outputs 0.5",
        ),
    ],
)
def test_translations(explanation, translation, text):
    assert translation_text(explanation(0, "", translation=translation)) == text


def test_neuron(explanation):
    figure = heatmap(explanation(np.ones((2, 3)), "HW", layer="fc", kind="neuron", options={"neuron": 12}))
    assert "layer fc, neuron 12" in title(figure.axes[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3e-7, "3e-7"),
        (1.2e-6, "1.2e-6"),
        (0.25, "0.25"),
        (255, "255"),
        (99.7, "100"),
        (1234.5, "1234"),
        (-2.1, "-2.1"),
        (0, "0"),
        (1e9, "1e9"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


@given(st.lists(st.text(), max_size=4), st.integers(1, 80))
def test_no_line_is_longer_than_its_place_and_no_short_word_is_lost(lines, width):
    lines = [plain(line) for line in lines]
    wrapped = wrap(lines, width)
    assert all(span(line) <= max(width, 12) for line in wrapped.split("\n"))
    for word in " ".join(lines).split():
        if span(word) <= 12 and word != "·":
            assert word in wrapped


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(
    "label", ["$x^{$", "a$b$c", "\\frac", "</td>", "line\nbreak\x00\x07", "日本語", "é" * 300, "{}%s"]
)
def test_hostile_labels_are_drawn_as_they_are(explanation, label, tmp_path):
    result = explanation(np.ones((1, 2, 3)), "NHW", labels=[label] * 4, layer=label, method=label)
    figure = heatmap(result, path=tmp_path / "a.png")
    assert "\x00" not in figure.axes[0].get_title(loc="left")
