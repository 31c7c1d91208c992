"""Figures of scores: what the bars, curves and colours say is what the results hold."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods.results.agreement import Agreement, ScoreBoard
from metannvis_methods.results.evaluation import Evaluation
from metannvis_plot import plot, report
from metannvis_plot.dispatch import choose_kind
from metannvis_plot.scores import BOTH, FIRST, SECOND
from metannvis_translate.errors import InvalidArgumentError
from PIL import Image

from .conftest import make_explanation
from .test_report import Page


def evaluation(**fields) -> Evaluation:
    scores = np.array([[[0.2, 0.4], [3.0, 5.0]], [[0.9, 0.7], [np.nan, np.nan]]])
    rows = (
        {
            "metric": "deletion",
            "provider": "metannvis",
            "category": "faithfulness",
            "direction": "lower",
            "options": {"steps": 3},
        },
        {"metric": "auc", "provider": "quantus", "category": "localization", "direction": "higher", "options": {}},
    )
    known = {
        "curves": {("a", "deletion"): np.array([[1.0, 0.5, 0.0], [1.0, 0.7, 0.2]])},
        "steps": {("a", "deletion"): (0.0, 0.5, 1.0)},
        "errors": {("<b>", "quantus:auc"): "no <mask>"},
        "notes": ("a note",),
    }
    return Evaluation(scores, ("a", "<b>"), ("deletion", "quantus:auc"), rows, **{**known, **fields})


def test_bars_are_means_with_deviations(tmp_path) -> None:
    assert choose_kind(evaluation()) == "evaluation"
    figure = plot(evaluation(), path=tmp_path / "e.png")
    first, second, curve = figure.axes
    assert [bar.get_width() for bar in first.patches] == pytest.approx([0.3, 0.8])
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "<b>"]
    assert first.get_title(loc="left") == "deletion"
    assert "lower is better" in "".join(text.get_text() for text in first.texts)
    assert second.patches[0].get_width() == pytest.approx(4.0)
    assert "no score" in "".join(text.get_text() for text in second.texts)
    np.testing.assert_allclose(curve.lines[0].get_ydata(), [1.0, 0.6, 0.1])
    np.testing.assert_allclose(curve.lines[0].get_xdata(), [0, 0.5, 1])
    foot = figure._supxlabel.get_text()
    assert "means over 2 samples" in foot and "quantus" in foot and "failed" in foot
    with Image.open(tmp_path / "e.png") as picture:
        assert picture.width > 500


def test_a_choice_of_metrics_and_samples() -> None:
    figure = plot(evaluation(), metrics=["deletion"], curves=False, sample=1, title="Chosen")
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.4, 0.7])
    assert figure._suptitle.get_text() == "Chosen"
    with pytest.raises(InvalidArgumentError, match="no metric 'insertion'"):
        plot(evaluation(), metrics=["insertion"])
    with pytest.raises(InvalidArgumentError, match="no sample 2"):
        plot(evaluation(), sample=2)
    with pytest.raises(InvalidArgumentError, match="no option 'cmap'"):
        plot(evaluation(), cmap="magma")
    with pytest.raises(InvalidArgumentError, match="no kind 'heatmap'; there is evaluation"):
        plot(evaluation(), kind="heatmap")
    with pytest.raises(InvalidArgumentError, match="no kind 'evaluation'"):
        plot(make_explanation(np.ones((1, 4, 4)), "NHW"), kind="evaluation")


def marked(rank: int = 2) -> Agreement:
    first, second = np.zeros((2, *[4] * rank), bool), np.zeros((2, *[4] * rank), bool)
    first[(0, *[slice(0, 2)] * rank)] = second[(0, *[slice(1, 3)] * rank)] = True
    first[1] = second[1] = True
    scores = np.array([(first[k] & second[k]).sum() / (first[k] | second[k]).sum() for k in range(2)])
    return Agreement(
        scores,
        first,
        second,
        ("one", "two"),
        "quantile",
        0.9,
        "absolute",
        "DHW"[-rank:],
        np.full((2, *[4] * rank, 1), 0.5),
    )


@pytest.mark.parametrize("rank", [2, 3])
def test_an_agreement_shows_what_is_common_and_apart(rank) -> None:
    figure = plot(marked(rank))
    bars, best, worst = figure.axes
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(marked(rank).scores)
    assert best.get_title(loc="left") == "best sample 1"
    assert worst.get_title(loc="left") == "worst sample 0"
    picture = worst.images[0].get_array()
    assert picture.shape == (4, 4, 3)

    def seems(pixel, color):
        return np.argmin([np.linalg.norm(0.65 * c + 0.35 * 0.5 - pixel) for c in (FIRST, SECOND, BOTH)]) == color

    assert seems(picture[1, 1], 2)
    if rank == 2:
        assert seems(picture[0, 0], 0) and seems(picture[2, 2], 1)
    assert picture[3, 3].std() == 0  # nothing is marked: grey
    assert "blue: one alone" in figure._supxlabel.get_text()
    assert len(plot(marked(rank), sample=0).axes) == 2
    assert len(plot(marked(1)).axes) == 1  # signals have no picture


def test_a_board_has_a_bar_a_run() -> None:
    rows = tuple(
        {
            "run": name,
            "method": "m",
            "toolset": "t",
            "layer": None,
            "options": {},
            "iou": iou,
            "spread": 0.1,
            "seconds": 0.25,
            "samples": 3,
        }
        for name, iou in (("best", 0.8), ("other", 0.3))
    )
    (ax,) = plot(ScoreBoard(rows, "otsu", 0.9, "absolute")).axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.8, 0.3])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["best", "other"]
    assert "0.800 · 0.25 s" in [text.get_text() for text in ax.texts]


def test_the_table_of_metrics_in_the_page(tmp_path) -> None:
    explained = make_explanation(np.ones((2, 4, 4)), "NHW", method="saliency")
    text = report(evaluation(explanations=(explained, None)), tmp_path / "page.html")
    assert text == (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert [dict(a).get("data-method") for tag, a in page.elements if tag == "section"] == ["evaluation", "saliency"]
    assert ("details", {"open": None}) in page.elements  # the numbers are what such a page is for
    for words in (
        "deletion ↓",
        "0.3 ± 0.1",
        "quantus:auc ↑",
        "failed",
        "mean rank",
        "no <mask>",
        "a note",
        '{"steps": 3}',
    ):
        assert words in page.text, words
    assert "<mask>" not in text and "<b>" not in text  # escaped
    assert report([explained, evaluation()]).count("<section id") == 2
