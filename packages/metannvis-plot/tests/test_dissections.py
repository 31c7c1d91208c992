"""Figures of dissections, on results that are known by what they answer alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from metannvis_plot import dissection, dissection_units, plot
from metannvis_translate.errors import InvalidArgumentError


class Found:
    """Two layers of two units: cat, cat, sky and nothing."""

    figure = "dissection"
    layers = ("early", "late")
    concepts = ("cat", "sky")
    categories = ("object", "scene")
    measure, threshold, framework = "iou", 0.04, "torch"
    configuration = MappingProxyType({"images": 9})
    layer, unit = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    score, detects = np.array([0.3, 0.5, 0.2, 0.0]), np.array([True, True, True, False])
    top_images = np.array([[0, 1], [1, 2], [2, 0], [0, 2]])
    thumbnails: Any = np.full((2, 8, 6, 3), 200, np.uint8)

    def histogram(self, layer: str) -> dict[str, int]:
        return {"early": {"cat": 2}, "late": {"sky": 1}}[layer]

    def neurons(self, concept: str) -> Any:
        return {"cat": (("early", 1, 0.5), ("early", 0, 0.3)), "sky": (("late", 0, 0.2),)}[concept]

    def row_of(self, layer: str, unit: int) -> int:
        return 2 * self.layers.index(layer) + unit

    def concept_of(self, layer: str, unit: int) -> str:
        return ("cat", "cat", "sky", "")[self.row_of(layer, unit)]

    def thumbnail(self, image: int) -> Any:
        return self.thumbnails[image] if image < 2 else None

    def region(self, layer: str, unit: int, place: int, size: tuple[int, int]) -> Any:
        on = np.zeros(size, bool)
        on[2:5, 1:4] = True
        return on


class Two:
    figure = "dissection_comparison"
    names = ("one", "other")
    concepts = ("cat", "sky", "sea")
    counts = np.array([[3, 1], [2, 0], [0, 1]])

    def __str__(self) -> str:
        return "1 concept shared"


def words(figure: Any) -> str:
    return "\n".join([t.get_text() for t in figure.findobj(Text)] + [ax.get_title(loc="left") for ax in figure.axes])


def test_a_histogram_a_layer() -> None:
    figure = plot(Found(), title="which")
    early, late = figure.axes
    assert [bar.get_width() for bar in early.patches if bar.get_width()] == [2]
    assert [label.get_text() for label in late.get_yticklabels()] == ["sky"]
    said = words(figure)
    assert "early: 2 of 2 units" in said
    assert "detectors from IoU 0.04" in said
    assert len(dissection(Found(), layer="late").axes) == 1


def test_images_that_drive_units(tmp_path: Any) -> None:
    figure = plot(Found(), kind="units", path=tmp_path / "u.png")
    said = words(figure)
    assert said.index("early 1: cat, IoU 0.5") < said.index("early 0: cat, IoU 0.3") < said.index("late 0: sky")
    assert "not held" in said
    drawn = figure.axes[0].images[0].get_array()  # image 1 of unit 1, dark but for its region
    np.testing.assert_allclose(np.unique(np.round(drawn, 3)), [round(0.3 * 200 / 255, 3), round(200 / 255, 3)])
    assert (tmp_path / "u.png").stat().st_size > 1000
    assert len(dissection_units(Found(), concept="sky").axes) == 2
    assert "late 1: nothing" in words(dissection_units(Found(), layer="late", units=[1]))
    assert "1 of 3 units" in words(dissection_units(Found(), max_units=1)).replace("\n", " ")


def test_two_networks_beside_each_other() -> None:
    figure = plot(Two())
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [3, 2, 0, 1, 0, 1]
    assert "1 concept shared" in words(figure)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="there is dissection, units"):
        plot(Found(), kind="heatmap")
    with pytest.raises(InvalidArgumentError, match="give layer="):
        dissection_units(Found(), units=[1])
    without = Found()
    without.thumbnails = None
    with pytest.raises(InvalidArgumentError, match="holds no images"):
        dissection_units(without)
    with pytest.raises(InvalidArgumentError, match="max_concepts"):
        dissection(Found(), max_concepts=0)
