"""Every kind of figure of every kind of data: golden pictures, orientation, channels, room for words.

A golden picture is the figure without its words, in 40 dots an inch, beside this file; words are compared as words elsewhere, so
that another version of a font or of its rendering changes none. Rule: both are cut into blocks of 4 × 4 dots, whose mean colours
are compared. A figure is right if its size is within one dot, at most 2 % of the blocks (edges, which versions of matplotlib put half a
dot elsewhere) differ by more than 24 of 255 in any colour, and all by at most 3 on average. To make a golden picture anew delete its file and run the test, which writes it and fails once; look at it
before it is added.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from metannvis_plot import heatmap, images, overview, panels, plot, series, texts
from metannvis_plot.dispatch import KINDS
from metannvis_translate.errors import InvalidArgumentError
from PIL import Image

from .conftest import make_explanation
from .gallery import ROWS, SHOWN, H, W, draw, explained, photograph, ramp

GOLDEN = Path(__file__).parent / "golden"
DPI, BLOCK, FAR, MANY, MEAN = 40, 4, 24, 0.02, 3.0


def pixels(figure: Figure, *, words: bool = False, dpi: int = DPI) -> np.ndarray:
    """The figure in red, green and blue, 0…255."""
    if not words:
        figure.set_layout_engine("none")  # which makes room for words
        for text in figure.findobj(Text):
            text.set_alpha(0)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return np.asarray(Image.open(buffer).convert("RGB"))


def blocks(picture: np.ndarray) -> np.ndarray:
    height, width = (size // BLOCK * BLOCK for size in picture.shape[:2])
    cut = picture[:height, :width].astype(float)
    return cut.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean((1, 3))


def difference(first: np.ndarray, second: np.ndarray) -> str:
    """What is different by the rule above; empty if it is nothing."""
    if max(abs(a - b) for a, b in zip(first.shape, second.shape, strict=True)) > 1:
        return f"sizes {first.shape} and {second.shape}"
    a, b = blocks(first), blocks(second)
    rows, columns = (min(pair) for pair in zip(a.shape[:2], b.shape[:2], strict=True))
    apart = np.abs(a[:rows, :columns] - b[:rows, :columns])
    far, mean = float((apart.max(-1) > FAR).mean()), float(apart.mean())
    return f"{far:.1%} of the blocks far apart, {mean:.2f} on average" if far > MANY or mean > MEAN else ""


def golden(name: str, kind: str) -> np.ndarray:
    return np.asarray(Image.open(GOLDEN / f"{name}-{kind}.png").convert("RGB"))


@pytest.mark.parametrize(("name", "kind"), ROWS)
def test_the_figure_is_the_golden_one(name: str, kind: str) -> None:
    found = pixels(draw(name, kind))
    path = GOLDEN / f"{name}-{kind}.png"
    if not path.exists():
        Image.fromarray(found).save(path, optimize=True)
        pytest.fail(f"{path.name} was not there: look at what was written")
    assert not difference(found, golden(name, kind))


def test_there_is_no_other_golden_picture() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {f"{name}-{kind}" for name, kind in ROWS}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, kinds in SHOWN.items() for kind in KINDS if kind not in kinds]
)
def test_what_cannot_be_drawn_so_is_refused(name: str, kind: str) -> None:
    with pytest.raises(InvalidArgumentError):
        draw(name, kind)


def upside_down(drawn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ax, values, *more, **options: drawn(ax, values[::-1], *more, **_turned(options, np.flipud))


def mirrored(drawn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ax, values, *more, **options: drawn(ax, values[:, ::-1], *more, **_turned(options, np.fliplr))


def swapped(drawn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ax, values, *more, **options: drawn(
        ax, values[..., ::-1] if values.ndim == 3 else values, *more, **options
    )


def _turned(options: dict[str, Any], turn: Callable[..., Any]) -> dict[str, Any]:
    alpha = options.get("alpha")
    return {**options, "alpha": turn(alpha)} if isinstance(alpha, np.ndarray) else options


MAPS = [
    (name, kind)
    for name, kind in ROWS
    if kind in ("overview", "heatmap", "overlay", "channels", "grid", "comparison", "volume")
]
MAPS = [(name, kind) for name, kind in MAPS if name not in ("signal", "table", "text")]
COLORED = [(name, kind) for name, kind in ROWS if name in ("landscape", "segmentation") and kind in ("overview", "masked", "contour", "grid", "images", "comparison")]  # fmt: skip
PICTURED = [(name, kind) for name, kind in ROWS if name in ("landscape", "grey", "segmentation", "volume") and kind in ("overview", "overlay", "masked", "contour", "grid", "images", "comparison")]  # fmt: skip


def noticed(name: str, kind: str) -> bool:
    return bool(difference(pixels(draw(name, kind)), golden(name, kind)))


@pytest.mark.parametrize(("name", "kind"), MAPS)
@pytest.mark.parametrize("turn", [upside_down, mirrored])
def test_a_map_that_is_turned_is_noticed(name: str, kind: str, turn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "draw_map", turn(panels.draw_map))
    assert noticed(name, kind)


@pytest.mark.parametrize(("name", "kind"), PICTURED)
@pytest.mark.parametrize("turn", [upside_down, mirrored])
def test_an_image_that_is_turned_is_noticed(name: str, kind: str, turn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "draw_image", turn(panels.draw_image))
    assert noticed(name, kind)


@pytest.mark.parametrize(("name", "kind"), COLORED)
def test_channels_that_are_swapped_are_noticed(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "draw_image", swapped(panels.draw_image))
    assert noticed(name, kind)


@pytest.mark.parametrize(("name", "kind"), [*MAPS, ("text", "text")])
def test_colours_that_are_reversed_are_noticed(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from metannvis_plot import color

    for word in ("DIVERGING", "SEQUENTIAL"):
        other = getattr(color, word)
        monkeypatch.setattr(color, word, other.removesuffix("_r") if other.endswith("_r") else f"{other}_r")
    assert noticed(name, kind)


@pytest.mark.parametrize(
    ("name", "kind"), [("signal", "curve"), ("signal", "comparison"), ("table", "bars"), ("table", "comparison"),
                       ("text", "tokens"), ("text", "comparison"), ("signal", "grid"), ("table", "grid"), ("text", "grid")]
)  # fmt: skip
@pytest.mark.parametrize("change", ["order", "sign", "colours"])
def test_rows_that_are_changed_are_noticed(name: str, kind: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if change == "colours":
        positive, negative = series.POSITIVE, series.NEGATIVE
        monkeypatch.setattr(series, "POSITIVE", negative)
        monkeypatch.setattr(series, "NEGATIVE", positive)
    else:
        for word in ("draw_features", "draw_signal", "draw_tokens"):
            drawn = getattr(series, word)
            turn = (lambda row: row[::-1]) if change == "order" else np.negative
            monkeypatch.setattr(
                series,
                word,
                lambda ax, row, *more, drawn=drawn, turn=turn, **words: drawn(ax, turn(row), *more, **words),
            )
    assert noticed(name, kind)


def test_words_whose_values_are_in_another_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = texts._draw
    monkeypatch.setattr(
        texts, "_draw", lambda ax, placed, words, row, colors: drawn(ax, placed, words, row[::-1], colors)
    )
    assert noticed("text", "text")


@pytest.mark.parametrize("turn", [lambda row: row[::-1], np.negative])
def test_lines_of_channels_that_are_turned_are_noticed(turn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda ax, at, row, **words: plain(ax, at, turn(np.asarray(row)), **words))
    assert noticed("signal", "channels")


def test_an_outline_that_is_missing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Axes, "add_collection", lambda self, lines, **_: lines)
    for kind in ("heatmap", "overlay", "overview"):
        assert noticed("segmentation", kind)


LAYOUTS = {"NHWC": lambda a: a[np.newaxis], "NCHW": lambda a: np.moveaxis(a, -1, 0)[np.newaxis], "HWC": lambda a: a}


@pytest.mark.parametrize("axes", LAYOUTS)
def test_orientation_and_channels_are_read_back(axes: str) -> None:
    image, values = photograph(), np.stack([ramp(H, W)] * 2 + [0.3 * ramp(H, W)], axis=-1)
    lie = LAYOUTS[axes]
    result = make_explanation(lie(values), axes, inputs=lie(image), input_axes=axes)
    left, middle, right = (ax for ax in overview(result).axes if ax.images)
    np.testing.assert_allclose(left.images[0].get_array(), image)
    np.testing.assert_allclose(middle.images[0].get_array(), values.sum(-1))
    np.testing.assert_allclose(right.images[0].get_array(), image @ [0.299, 0.587, 0.114])
    np.testing.assert_allclose(right.images[1].get_array(), values.sum(-1))
    for ax in (left, middle, right):
        for drawn in ax.images:
            assert drawn.origin == "upper"
            assert drawn.get_extent() == [-0.5, W - 0.5, H - 0.5, -0.5]
        assert ax.get_xlim() == (-0.5, W - 0.5)
        assert ax.get_ylim() == (H - 0.5, -0.5)
    made = images(lie(image), axes).axes[0].images[0]
    np.testing.assert_allclose(made.get_array(), image)


@pytest.mark.parametrize("axes", ["NHWC", "NCHW", "NHW", "NCDHW", "NDHWC"])
def test_masked_images_and_contours_show_where_the_largest_values_are(axes: str) -> None:
    block = np.zeros((H, W))
    block[1:4, 11:17] = 1.0  # near the top, at the right
    sizes = {"N": 1, "C": 3, "D": 2, "H": H, "W": W}
    spread = block[tuple(slice(None) if letter in "HW" else np.newaxis for letter in axes)]
    values = np.broadcast_to(spread, [sizes[letter] for letter in axes])
    result = make_explanation(values, axes, inputs=np.ones((1, H, W, 3)), input_axes="NHWC")
    if "D" in axes:
        result.inputs, result.input_axes = np.ones((1, 2, H, W)), "NDHW"
    masked = plot(result, kind="masked", share=18 / (H * W)).axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.asarray(masked).reshape(H, W, -1)[..., 0] == 1, block == 1)
    lines = plot(result, kind="contour", share=18 / (H * W)).axes[0].collections
    for line in lines:
        (left, top), (right, bottom) = (edge(line.get_paths()[0].vertices, axis=0) for edge in (np.min, np.max))
        assert 10 <= left <= 11 and 16 <= right <= 17 and 0 <= top <= 1 and 3 <= bottom <= 4
    assert len(lines) == 2


@pytest.mark.parametrize("style", ["default", "dark_background", "grayscale"])
@pytest.mark.parametrize(("name", "kind"), ROWS)
def test_words_have_room_and_can_be_read(name: str, kind: str, style: str) -> None:
    with matplotlib.style.context(style):
        check_words(draw(name, kind), on_patches=kind == "text")


def check_words(figure: Figure, *, on_patches: bool = False) -> None:
    """No word of a figure is cut off or lies on another or on a picture, and all stand out from their ground.

    Words `on_patches` have grounds of their own.
    """
    ground = matplotlib.colors.to_rgb(figure.get_facecolor())
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.bbox.width, figure.bbox.height
    hidden = _hidden(figure)
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    words = [text for text in words if text not in hidden]
    boxes = [text.get_window_extent(renderer) for text in words]
    for text, box in zip(words, boxes, strict=True):
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, f"cut off: {text.get_text()}"
        if not on_patches or text.axes is None or not text.axes.patches:
            assert abs(_luminance(text.get_color()) - _luminance(ground)) > 0.28, f"faint: {text.get_text()}"
    for k, (text, box) in enumerate(zip(words, boxes, strict=True)):
        for other, place in zip(words[k + 1 :], boxes[k + 1 :], strict=True):
            across = min(box.x1, place.x1) - max(box.x0, place.x0)
            along = min(box.y1, place.y1) - max(box.y0, place.y0)
            assert across < 1 or along < 1, f"overlap: {text.get_text()!r} and {other.get_text()!r}"
    for ax in figure.axes:
        if ax.images:
            inside = ax.get_window_extent(renderer)
            for text, box in zip(words, boxes, strict=True):
                across = min(box.x1, inside.x1) - max(box.x0, inside.x0)
                along = min(box.y1, inside.y1) - max(box.y0, inside.y0)
                assert across < 1 or along < 1, f"on a picture: {text.get_text()!r}"


def _hidden(figure: Figure) -> set[Text]:
    """Labels of ticks beyond the limits of their axis, which matplotlib keeps and does not draw."""
    found = set()
    for ax in figure.findobj(Axes):
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = min(limits), max(limits)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    found |= {tick.label1, tick.label2}
    return found


def _luminance(color: Any) -> float:
    return float(np.dot(matplotlib.colors.to_rgb(color), (0.299, 0.587, 0.114)))


def test_in_grey_the_sequential_map_is_in_order_and_signs_can_be_told_with_gray() -> None:
    for figure in (heatmap(np.abs(ramp(H, W))), heatmap(ramp(H, W), cmap="gray")):
        drawn = figure.axes[0].images[0]
        colors = drawn.cmap(drawn.norm(np.linspace(*drawn.get_clim(), 64)))
        assert (np.diff([_luminance(color[:3]) for color in colors]) > -1e-3).all()


def test_a_figure_of_a_dark_style_is_dark() -> None:
    with matplotlib.style.context("dark_background"):
        picture = pixels(plot(explained("table"), kind="bars"), words=True)
        assert picture[0, 0].max() == 0
