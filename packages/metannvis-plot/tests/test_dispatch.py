"""``plot`` draws each result as what suits it."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.explanation import Explanation
from metannvis_plot import plot, report
from metannvis_plot.dispatch import KINDS, OWN_KINDS, choose_kind
from metannvis_translate.errors import InvalidArgumentError

IMAGE = {"inputs": np.ones((2, 3, 4, 6)), "input_axes": "NCHW"}


@pytest.mark.parametrize(
    ("shape", "axes", "fields", "kind"),
    [
        ((2, 3, 4, 6), "NCHW", IMAGE, "overview"),
        ((2, 4, 6, 3), "NHWC", IMAGE, "overview"),
        ((2, 2, 2), "NHW", {**IMAGE, "kind": "layer", "layer": "conv2"}, "overview"),
        ((2, 2, 2), "NHW", {"kind": "layer", "layer": "conv2"}, "heatmap"),
        ((1, 2, 2), "NHW", {**IMAGE}, "heatmap"),
        ((2, 64, 2, 2), "NCHW", {**IMAGE, "kind": "layer", "layer": "conv2"}, "channels"),
        ((2, 2, 2, 3), "NHWC", {**IMAGE, "kind": "layer", "layer": "conv1"}, "channels"),
        ((2, 28, 28, 1), "NHWC", {"kind": "feature_visualization"}, "images"),
        ((2, 10), "NF", {"kind": "layer", "layer": "fc"}, "bars"),
        ((2, 10), "NC", {"kind": "layer", "layer": "pool"}, "bars"),
        ((2, 1, 50), "NCL", {}, "curve"),
        ((2, 7, 16), "NTF", {}, "tokens"),
        ((2, 7), "N?", {}, "bars"),
        ((2, 1, 4, 5, 6), "NCDHW", {}, "volume"),
    ],
)
def test_the_kind_that_suits(explanation, shape, axes, fields, kind):
    result = explanation(np.random.default_rng(0).normal(size=shape), axes, **fields)
    assert choose_kind(result) == kind
    assert isinstance(plot(result), Figure)


def test_comparisons_and_lists_of_results(compared, explanation):
    assert choose_kind(compared(np.ones((1, 2, 2)), np.ones((1, 2, 2)))) == "comparison"
    same = explanation(np.ones((2, 2)), "HW")
    assert choose_kind([same, same]) == "comparison"
    for other in ({"method": "saliency"}, {"layer": "conv2"}, {"target": 1}):  # a difference says nothing of them
        assert choose_kind([same, explanation(np.ones((2, 2)), "HW", **other)]) == "grid"
    assert choose_kind({"conv1": same, "conv2": same}) == "grid"
    assert choose_kind(explanation(np.ones((1, 3)), "NT"), named=True) == "text"
    assert isinstance(plot(compared(np.ones((2, 2, 2)), np.ones((2, 2, 2))), sample=1), Figure)


def test_arrays_with_axes():
    assert isinstance(plot(np.ones((2, 2))), Figure)
    assert isinstance(plot(np.ones((2, 3, 4, 4)), axes="NCHW", kind="images"), Figure)
    with pytest.raises(InvalidArgumentError, match="needs axes="):
        plot(np.ones((2, 3, 4, 4)))


def test_several_inputs(explanation):
    both = explanation((np.ones((1, 2, 3)), np.ones((1, 5, 4))), ("NHW", "NHW"))
    assert len([ax for ax in plot(both).axes if ax.images]) == 2
    mixed = explanation((np.ones((1, 2, 3)), np.ones((1, 5))), ("NHW", "NF"))
    with pytest.raises(InvalidArgumentError, match="input_index="):
        plot(mixed)
    assert plot(mixed, input_index=1).axes[0].patches


def test_axes_given_for_a_result_that_does_not_know_them(explanation):
    with pytest.raises(InvalidArgumentError, match="unknown axes"):
        plot(explanation(np.ones((1, 2, 3)), "N??"))
    assert plot(explanation(np.ones((1, 2, 3)), "N??"), axes="NHW").axes[0].images


def test_one_panel_on_the_callers_axes(explanation):
    mine = Figure()
    FigureCanvasAgg(mine)
    ax = mine.subplots()
    assert plot(explanation(np.ones((2, 3, 4, 6)), "NCHW", **IMAGE), ax=ax, sample=0) is mine
    assert len(mine.axes) == 1
    assert ax.images


@pytest.mark.parametrize("kind", ["overview", "channels", "comparison"])
def test_many_panels_take_no_axes(explanation, kind):
    with pytest.raises(InvalidArgumentError, match="several panels"):
        plot(explanation(np.ones((2, 3, 4, 6)), "NCHW", **IMAGE), kind=kind, ax=Figure().subplots())


def test_unknown_kinds_and_options_name_what_there_is(signed):
    with pytest.raises(InvalidArgumentError, match="heatmap"):
        plot(signed, kind="pie")
    with pytest.raises(InvalidArgumentError, match="did you mean colorbar"):
        plot(signed, colourbar=False)
    with pytest.raises(InvalidArgumentError, match="no option 'alpha'"):
        plot(signed, alpha=0.5)


def test_the_results_of_the_methods_package_draw_themselves(tmp_path):
    common = {
        "inputs": np.ones((1, 3, 4, 6)),
        "input_axes": "NCHW",
        "method": "saliency",
        "framework": "torch",
        "kind": "primary",
        "target": [1],
        "labels": ("cat", "dog"),
        "options": {"abs": False},
    }
    one = Explanation(np.ones((1, 3, 4, 6)), "NCHW", toolset="captum", **common)
    two = Explanation(
        np.ones((1, 4, 6)),
        "NHW",
        toolset="tf-keras-vis",
        translation={"from": "torch", "to": "tensorflow"},
        **common,
    )
    figure = Explanation.load(one.save(tmp_path / "one.npz")).plot(path=tmp_path / "one.png")
    assert "target 1 (dog)" in figure.axes[1].get_title(loc="left")
    row = {
        "a": "captum",
        "b": "tf-keras-vis",
        "max_rel": 2.0,
        "rel_l2": 2.0,
        "cosine": 0.999999,
        "spearman": 1.0,
    }
    both = Comparison((one, two), (row,), aligned=False, method="saliency", notes=("sum over channels",))
    assert len(both.plot().axes) == 4
    page = report([one, both], sample=0)
    for words in ("(sum over channels).", "0.999999", "Option abs"):
        assert words in page


def test_a_file(signed, tmp_path):
    plot(signed, path=tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_every_kind_has_a_function_and_the_methods_package_finds_plot():
    assert {"overview", "heatmap", "overlay", "channels", "comparison", "images"} <= set(KINDS)
    (entry,) = entry_points(group="metannvis.plotters", name="default")
    assert entry.load() is plot


def test_an_input_that_was_held_is_left_out(tmp_path):
    """Indices beside numbers have no values."""
    values = (None, np.random.default_rng(0).standard_normal((2, 4)))
    e = Explanation(
        values, ("", "NF"), (np.array([1, 2]), values[1]), ("N", "NF"), "saliency", "captum", "torch", "primary"
    )
    e.plot(path=tmp_path / "held.png")
    assert (tmp_path / "held.png").stat().st_size > 1000
    with pytest.raises(InvalidArgumentError, match="was held"):
        e.plot(input_index=0)


def test_a_notebook_shows_the_figure():
    result = Explanation(np.ones((1, 4, 6)), "NHW", None, None, "<saliency>", "captum", "torch", "primary")
    assert result._repr_png_()[:4] == b"\x89PNG"
    page = result._repr_html_()
    assert page.startswith('<img alt="&lt;saliency&gt; of captum')
    assert 'src="data:image/png;base64,' in page
    broken = Explanation(np.full((1, 4, 6), np.nan), "NHW", None, None, "saliency", "captum", "torch", "primary")
    assert broken._repr_png_() is None  # which plot() explains
    assert broken._repr_html_().startswith("<table>")


#: Figures of results of a type of their own, and the file that tests them.
TESTED = {
    "uncertain_prediction": "test_uncertainties.py",
    "reliability": "test_uncertainties.py",
    "dissection": "test_dissections.py",
    "dissection_comparison": "test_dissections.py",
    "evaluation": "test_scores.py",
    "agreement": "test_scores.py",
    "score_board": "test_scores.py",
}


def test_figures_of_results_of_their_own_type_are_tested():
    assert set(OWN_KINDS) == set(TESTED)
    for name, file in TESTED.items():
        text = Path(__file__).with_name(file).read_text(encoding="utf-8")
        assert f'figure = "{name}"' in text or f"{''.join(map(str.title, name.split('_')))}(" in text


def draw_lengths(result, *, path=None, color="black"):
    figure = Figure()
    figure.subplots().plot(result.values, color=color)
    if path is not None:
        figure.savefig(path)
    return figure


@pytest.mark.parametrize("figure", [draw_lengths, f"{__name__}:draw_lengths"])
def test_a_result_of_another_package_says_what_draws_it(figure, tmp_path):
    """The function, or where it is."""
    result = type("Lengths", (), {"figure": figure, "values": [1, 2, 4]})()
    assert choose_kind(result) == "draw_lengths"
    drawn = plot(result, color="red", path=tmp_path / "lengths.png")
    assert [line.get_color() for line in drawn.axes[0].lines] == ["red"]
    assert (tmp_path / "lengths.png").stat().st_size > 0
    with pytest.raises(InvalidArgumentError, match="kind 'draw_lengths' has no option 'colour': did you mean color"):
        plot(result, colour="red")
