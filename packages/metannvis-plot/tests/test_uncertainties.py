"""Figures of how sure a network is: what stands in them, on results that are known by their attributes alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Text
from metannvis_plot import plot, reliability, spread, uncertain_prediction
from metannvis_translate.errors import InvalidArgumentError

from .conftest import make_explanation

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])


class Prediction(SimpleNamespace):
    figure = "uncertain_prediction"

    def __str__(self) -> str:
        return "2 predictions"


class Reliability(SimpleNamespace):
    figure = "reliability"


def prediction(**fields: Any) -> Prediction:
    known: dict[str, Any] = {
        "mean": np.log(P),
        "variance": np.full((2, 3), 0.04),
        "probabilities": P,
        "probability_variance": np.full((2, 3), 0.01),
        "entropy": np.array([0.8, 0.9]),
        "mutual_information": np.array([0.1, 0.2]),
        "uncertainty": None,
        "labels": ("cat", "dog", "fox"),
    }
    return Prediction(**{**known, **fields})


def words(figure: Any) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_a_bar_a_class_the_most_probable_first() -> None:
    figure = plot(prediction())
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["cat", "dog", "fox"]
    assert [label.get_text() for label in second.get_yticklabels()] == ["dog", "fox", "cat"]
    np.testing.assert_allclose([bar.get_width() for bar in second.patches], [0.5, 0.4, 0.1])
    lines = second.collections[0].get_segments()  # of the deviations
    np.testing.assert_allclose(lines[0][:, 0], [0.4, 0.6])
    assert "entropy 0.9, mutual information 0.2" in words(figure)


def test_samples_classes_and_axes(tmp_path: Any) -> None:
    assert len(plot(prediction(), sample=1).axes) == 1
    figure = uncertain_prediction(prediction(uncertainty=np.array([0.3, 0.4])), max_classes=2, path=tmp_path / "p.png")
    assert "2 most probable of 3 classes" in words(figure).replace("\n", " ")
    assert "without evidence 0.3" in words(figure)
    assert (tmp_path / "p.png").stat().st_size > 1000
    numbers = prediction(
        probabilities=None, probability_variance=None, entropy=None, mutual_information=None, labels=None
    )
    assert "output 2" in words(uncertain_prediction(numbers, sample=0))


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="no sample 5"):
        plot(prediction(), sample=5)
    with pytest.raises(InvalidArgumentError, match="are maps"):
        plot(prediction(mean=np.zeros((1, 2, 3, 3)), probabilities=np.zeros((1, 2, 3, 3))))
    with pytest.raises(InvalidArgumentError, match="has no option 'classes'"):
        plot(prediction(), classes=3)  # type: ignore[call-arg]
    with pytest.raises(InvalidArgumentError, match="over masks"):
        spread(make_explanation(np.zeros((1, 4, 4)), "NHW"))


def test_the_reliability_diagram() -> None:
    found = Reliability(
        edges=np.arange(5) / 4,
        counts=np.array([0, 2, 0, 6]),
        confidence=np.array([np.nan, 0.4, np.nan, 0.9]),
        accuracy=np.array([np.nan, 0.5, np.nan, 0.7]),
        error=0.175,
    )
    figure = plot(found)
    (ax,) = figure.axes
    heights = [round(bar.get_height(), 3) for bar in ax.patches if isinstance(bar, Rectangle)]
    assert heights == [0.5, 0.7, 0.1, 0.2]
    (shares,) = (patch.get_data().values for patch in ax.patches if isinstance(patch, StepPatch))
    np.testing.assert_allclose(shares, [0, 0.25, 0, 0.75])
    assert "expected calibration error 0.175" in words(figure) + ax.get_title(loc="left")
    assert reliability(found, title="before").axes[0].get_title(loc="left").startswith("before")


def test_an_explanation_over_masks_shows_its_spread(landscape: np.ndarray) -> None:
    mean, sd = np.linspace(-1, 1, 24).reshape(1, 4, 6), np.full((1, 4, 6), 0.5)
    known = make_explanation(mean, "NHW", inputs=landscape[np.newaxis], input_axes="NHWC", deviation=sd)
    figure = plot(known)
    said = words(figure)
    assert all(name in said for name in ("mean over masks", "standard deviation", "coefficient of variation"))
    maps = [ax.images[0].get_array() for ax in figure.axes if ax.images and np.ndim(ax.images[0].get_array()) == 2]
    np.testing.assert_allclose(maps[1], sd[0])
    np.testing.assert_allclose(np.max(maps[2]), 0.5 / np.abs(mean).min())
    assert len(plot(known, kind="heatmap").axes) >= 1
