"""Figures of very small, long, many, equal and empty values, and of long and foreign names: readable, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from metannvis_plot import plot
from metannvis_plot.color import scale
from metannvis_plot.panels import THIN
from metannvis_translate.errors import InvalidArgumentError

from .conftest import make_explanation
from .gallery import photograph, ramp

rng = np.random.default_rng(0)
LONG = "a_long_folder/" + "x" * 120 + "/photograph-of-a-cat-that-sits-on-the-mat.jpeg"


def of_images(values: np.ndarray, axes: str = "NHW", **fields: Any) -> Any:
    """Values with images of their size."""
    height, width = values.shape[-2:]
    picture = np.resize(photograph(), (height, width, 3))
    return make_explanation(values, axes, inputs=np.stack([picture] * len(values)), input_axes="NHWC", **fields)


def gradients(size: float = 1e-4) -> Any:
    """Signed values of that size, whose numbers beside the colour bar are long."""
    return of_images(size * np.linspace(-4.4, 4.4, 24 * 24).reshape(1, 24, 24))


def named(count: int) -> dict[str, Any]:
    """Predictions and labels of that many samples, long ones and such that have no Latin letters."""
    names = ("قطة جميلة", "ελληνικά кошка", "long " * 20, "x" * 90)[:count]
    seen = tuple({"class": k, "name": name, "probability": 0.93} for k, name in enumerate(names))
    return {"prediction": seen, "labels": names, "target": list(range(count)), "layer": "model." + "block." * 30}


CASES: dict[str, Callable[[], Figure]] = {
    "one pixel": lambda: plot(of_images(np.array([[[-2.0]]]))),
    "one row": lambda: plot(of_images(ramp(1, 200)[np.newaxis])),
    "one column": lambda: plot(of_images(ramp(200, 1)[np.newaxis])),
    "equal": lambda: plot(of_images(np.full((1, 12, 18), 0.7))),
    "zero": lambda: plot(of_images(np.zeros((1, 12, 18)))),
    "zero, contour": lambda: plot(of_images(np.zeros((1, 12, 18))), kind="contour"),
    "zero, masked": lambda: plot(of_images(np.zeros((1, 12, 18))), kind="masked"),
    "50 samples": lambda: plot(of_images(np.stack([ramp(12, 18)] * 50))),
    "all of 50 samples": lambda: plot(of_images(np.stack([ramp(12, 18)] * 50)), kind="heatmap", max_samples=50),
    "200 channels": lambda: plot(of_images(rng.normal(size=(1, 200, 7, 7)), "NCHW", kind="layer", layer="conv5")),
    "names": lambda: plot(
        of_images(np.stack([ramp(12, 18)] * 4), **named(4)), sample_names=["صورة.png", "фото.png", LONG, "d.png"]
    ),
    "features": lambda: plot(
        make_explanation(rng.normal(size=(2, 60)), "NF", inputs=1e5 * rng.normal(size=(2, 60)), input_axes="NF"),
        names=[f"длинное имя признака номер {k} из многих" for k in range(60)],
    ),
    "words": lambda: plot(make_explanation(rng.normal(size=(1, 120)), "NT"), names=["قطة", "a", "very" * 20] * 40),
    "one word": lambda: plot(make_explanation(np.array([[3.0]]), "NT"), names=["a"]),
    "one position": lambda: plot(make_explanation(np.array([[3.0]]), "NL", inputs=np.array([[1.0]]), input_axes="NL")),
    "one feature": lambda: plot(make_explanation(np.array([[3.0]]), "NF")),
    "one voxel": lambda: plot(make_explanation(np.ones((1, 1, 1, 1)), "NDHW"), kind="volume"),
    **{
        f"signed and small, {kind}": lambda kind=kind: plot(gradients(), kind=kind)
        for kind in ("overview", "heatmap", "overlay")
    },
    "signed and small, grid": lambda: plot([gradients()] * 2, kind="grid"),
    "signed and small, comparison": lambda: plot([gradients(), gradients(1.1e-4)], kind="comparison"),
    "signed and smallest": lambda: plot([gradients(-1.1e-200)] * 2, kind="grid"),
    "zero near an end": lambda: plot([gradients()] * 2, kind="grid", limits=(-4e-4, 1e-5)),
    "few slices": lambda: plot(make_explanation(ramp(64, 64, 3)[np.newaxis], "NDHW"), kind="volume"),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_cut_off(case: str) -> None:
    from .test_gallery import check_words

    check_words(CASES[case](), on_patches="word" in case)


def test_ends_that_have_no_room_beside_the_colours_are_said_below() -> None:
    """Where zero is near an end, no words and no label of it fit between them."""
    (ax,) = plot(gradients(), kind="heatmap", limits=(-4e-4, 1e-5)).axes
    (bar,) = ax.child_axes
    assert not bar.texts
    assert [label.get_text() for label in bar.get_yticklabels()] == ["−0.0004", "1e−5"]
    assert "positive: for, negative: against" in " ".join(ax.get_xlabel().split())


def test_ends_without_room_are_said_of_texts_and_channels_too() -> None:
    uneven = (-4e-4, 1e-5)
    text = plot(make_explanation(np.array([[-3e-4, 1e-5]]), "NT"), names=["a", "b"], limits=uneven)
    layer = of_images(1e-4 * rng.normal(size=(1, 3, 12, 12)), "NCHW", kind="layer", layer="conv5")
    for figure in (text, plot(layer, kind="channels", limits=uneven)):
        said = " ".join(" ".join(found.get_text() for found in figure.findobj(Text)).split())
        assert "positive: for, negative: against" in said


def pictures(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.images]


@pytest.mark.parametrize("case", ["one row", "one column", "few slices"])
def test_a_thin_picture_can_be_seen(case: str) -> None:
    figure = CASES[case]()
    figure.canvas.draw()
    for ax in pictures(figure):
        box = ax.get_position()
        width, height = box.width * figure.get_figwidth(), box.height * figure.get_figheight()
        assert min(width, height) >= THIN - 1e-6
    assert {ax.get_aspect() for ax in pictures(CASES["equal"]())} == {1.0}


def notes(figure: Figure) -> str:
    return " ".join(ax.get_xlabel() for ax in figure.axes).replace("\n", " ")


def test_nothing_is_said_of_the_largest_values_where_there_are_none() -> None:
    for case in ("zero, contour", "zero, masked"):
        assert "all values are zero; no value is larger than the others" in notes(CASES[case]())
    assert "all values are zero" in notes(plot(np.zeros((1, 9)), axes="NL"))
    assert "all values are zero" not in notes(plot(np.ones((1, 9)), axes="NL"))


def test_a_single_position_is_marked() -> None:
    for ax in CASES["one position"]().axes:
        assert ax.lines[0].get_marker() == "o"
        assert ax.get_xlim() == (-0.5, 0.5)


def test_colours_end_at_the_largest_value_where_it_is_near() -> None:
    near = scale([np.append(np.linspace(0, 1, 199), 1.05)])
    assert (near.high, near.note) == (1.05, "")
    far = scale([np.append(np.linspace(0, 1, 199), 3.0)])
    assert far.high < 1.01 and "up to 3" in far.note


def test_lines_can_be_told_apart_without_colours() -> None:
    signal = rng.normal(size=(1, 3, 20))
    above = plot(make_explanation(signal, "NCL", inputs=signal, input_axes="NCL")).axes[0]
    assert len({line.get_linestyle() for line in above.lines}) == 3


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"12 NaN or infinite of 216 values, the first at \(0, 0, 3\)"):
        plot(of_images(np.where(np.arange(18) == 3, np.nan, np.ones((1, 12, 18)))))
