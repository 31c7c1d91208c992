"""Overlays: maps over the image they belong to, and overviews with image, map and overlay side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError
from PIL import Image

from metannvis_plot import panels
from metannvis_plot.arrays import Array, Labelled, one, take_slice
from metannvis_plot.canvas import finish
from metannvis_plot.captions import caption, number, plain, seen_text
from metannvis_plot.color import Scale
from metannvis_plot.options import Asked, OverlayOptions, OverviewOptions, spelled_out
from metannvis_plot.outlines import draw_outline
from metannvis_plot.panel_grid import (
    INPUT_TEXT,
    TEXT,
    foot_of,
    how_beside,
    map_panel,
    notes_of,
    open_places,
    size_text,
    text_width,
)
from metannvis_plot.subjects import Subject, input_sample

# An image for display, what was done to it, and its index in the batch of inputs.
Base = tuple[Array, list[str], int]


@spelled_out(OverlayOptions)
def overlay(values: Any, image: Any = None, **options: Unpack[OverlayOptions]) -> Figure:
    """Heat maps over the image they belong to.

    A map of a lower resolution, such as a CAM of a layer, is stretched over the image edge to edge.

    Parameters
    ----------
    values : Explanation or array_like
        As for :func:`heatmap`.
    image : array_like, optional
        Else the explanation's own input. Shape e.g. ``(N, 3, H, W)``; any range (what is done to it is
        stated).
    image_axes : str, optional
        One letter an axis of `image`.
    style : {"heat", "masked", "contour"}
        The map in colours over the image; the image alone where the map is largest, the rest darkened; or a line around it.
    share : float
        Of the positions, those of the largest values, that ``"masked"`` and ``"contour"`` show: 0.2 is a fifth.
    alpha : float
        Opacity of the map, 0 to 1.
    fade : bool
        Whether values near zero are more transparent: opacity grows with the square root of the magnitude.
    background : {"gray", "color"}, optional
        Colours of the image compete with those of a heat map, so it is grey there, and in colour elsewhere.
    interpolation : {"bilinear", "nearest"}
        How a smaller map is stretched.
    image_range : (float, float), optional
        Values of the image shown black and white.
    axes, sample, input_index, reduce, sign, depth, cmap, clip, limits, colorbar, outline, title, sample_names, max_samples, \
    ax, path
        As for :func:`heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        As :func:`heatmap`, and if there is no image or its batch is not that of the values.
    """
    asked = Asked.of(options)
    target, found = asked.file, asked.subjects(values, image)
    cells, more = asked.cells(found)
    beneath = [image_beneath(subject, index, asked) for subject, index in cells]
    maps, scales = asked.maps(cells)
    text = [
        (
            caption(*cell, asked.title),
            [*_notes_over(base, drawn, notes, colors, asked), *how_beside(cell[0], asked.ax)],
        )
        for cell, base, (drawn, notes), colors in zip(cells, beneath, maps, scales, strict=True)
    ]
    below = foot_of(found, more, outlined=asked.outline)
    figure, places = open_places([picture.shape for picture, _, _ in beneath], text, asked.ax, below)
    for cell, base, (drawn, _), colors, said, place in zip(cells, beneath, maps, scales, text, places, strict=True):
        _draw_over(place, base[0], drawn, colors, asked)
        if asked.outline:
            draw_outline(place, cell[0], cell[1], base[0].shape, asked.depth)
        panels.describe(place, said[0], said[1], text_width(asked.ax))
    return finish(figure, target)


@spelled_out(OverviewOptions)
def overview(values: Any, image: Any = None, **options: Unpack[OverviewOptions]) -> Figure:
    """The input, the heat map and the overlay side by side, one row for each sample.

    Parameters
    ----------
    values, image
        As for :func:`overlay`, as are the options, but for ``ax``: the figure is its own.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        As for :func:`overlay`.
    """
    asked = Asked.of(options)
    target, found = asked.file, asked.subjects(values, image)
    cells, more = asked.cells(found)
    beneath = [image_beneath(subject, index, asked) for subject, index in cells]
    maps, scales = asked.maps(cells)
    text: list[tuple[list[str], list[str]]] = []
    for (subject, index), base, (drawn, notes), colors in zip(cells, beneath, maps, scales, strict=True):
        over = _notes_over(base, drawn, [], colors, asked)[1 if drawn.shape == base[0].shape[:2] else 0 :]
        lines = caption(subject, index, asked.title, seen=False)
        text += [
            input_text(subject, base, index),
            (lines, notes_of(drawn, notes, colors, base[0].shape)),
            (["over the input"], over),
        ]
    shapes = [base[0].shape for base in beneath for _ in range(3)]
    below = foot_of(found, more, outlined=asked.outline)
    figure, places = open_places(shapes, text, None, below, columns=3, inputs=True)
    for row, (cell, base, (drawn, _), colors) in enumerate(zip(cells, beneath, maps, scales, strict=True)):
        here = places[3 * row : 3 * row + 3]
        inputs = image_beneath(*cell, replace(asked, background="color"))
        panels.draw_image(here[0], inputs[0])
        map_panel(here[1], drawn, colors, asked.colorbar, base[0].shape[:2])
        _draw_over(here[2], base[0], drawn, colors, asked)
        for place in here if asked.outline else []:
            draw_outline(place, cell[0], cell[1], base[0].shape, asked.depth)
    for k, (place, said) in enumerate(zip(places, text, strict=True)):
        panels.describe(place, *said, TEXT if k % 3 else INPUT_TEXT)
    return finish(figure, target)


def draw_input(
    ax: Axes, subject: Subject, index: int, depth: int | None = None, *, seen: bool = True, outline: bool = True
) -> None:
    """The input image that a sample of the values belongs to, in its own colours; if `seen`, what the model says of it."""
    base = image_beneath(subject, index, Asked(background="color", depth=depth))
    panels.draw_image(ax, base[0])
    if outline:
        draw_outline(ax, subject, index, base[0].shape, depth)
    lines, notes = input_text(subject, base, index)
    panels.describe(ax, lines if seen else lines[:1], notes, INPUT_TEXT)


def input_text(subject: Subject, base: Base, index: int) -> tuple[list[str], list[str]]:
    """Caption and notes of an input image: which it is, and what the model says of it."""
    picture, notes, place = base
    which = f"input · sample {place}" if _image(subject).samples > 1 else "input"
    lines = [plain(subject.name(index)) or which, seen_text(subject.result, index)]
    return [line for line in lines if line], [size_text(picture), *notes]


def _draw_over(ax: Axes, picture: Array, drawn: Array, colors: Scale, asked: Asked) -> None:
    """Draw the map over its image, edge to edge."""
    size = (picture.shape[0], picture.shape[1])
    if asked.style != "heat":
        stretched = _stretched(drawn, size, asked.interpolation)
        level = float(np.quantile(stretched, 1 - asked.share, method="lower"))
        if asked.style == "masked":
            shown = (stretched > level) | (stretched == stretched.max())
            picture = np.where(shown if picture.ndim == 2 else shown[..., np.newaxis], picture, picture * 0.2)
        panels.draw_image(ax, picture)
        if asked.style == "contour" and stretched.min() < stretched.max():
            for color, width in (("white", 2.4), ("black", 1.2)):  # seen on bright and on dark images
                ax.contour(stretched, levels=[level], colors=[color], linewidths=[width], linestyles="solid")
        return
    opacity: float | Array = asked.alpha
    if asked.fade:
        end = max(abs(colors.low), abs(colors.high))
        opacity = asked.alpha * np.sqrt(np.clip(np.abs(drawn) / end, 0, 1))
    kind = "antialiased" if drawn.shape == size else asked.interpolation
    panels.draw_image(ax, picture)
    panels.draw_map(ax, drawn, colors, size=size, alpha=opacity, interpolation=kind)
    if asked.colorbar:
        panels.colorbar(ax, colors)


def _stretched(drawn: Array, size: tuple[int, int], interpolation: str) -> Array:
    """A map at the (height, width) of its image, edge to edge."""
    if drawn.shape == size:
        return drawn
    how = Image.Resampling.NEAREST if interpolation == "nearest" else Image.Resampling.BILINEAR
    largest = float(np.abs(drawn).max()) or 1.0  # within what single precision holds
    resized = Image.fromarray((drawn / largest).astype(np.float32)).resize(size[::-1], how)
    return np.asarray(resized, dtype=np.float64) * largest


def _notes_over(base: Base, drawn: Array, notes: list[str], colors: Scale, asked: Asked) -> list[str]:
    picture, image_notes, _ = base
    resized = drawn.shape != picture.shape[:2]
    size = f" stretched to {size_text(picture)} ({asked.interpolation})" if resized else ""
    fading = ["opacity grows with √|value|"] if asked.fade and asked.style == "heat" else []
    if asked.style != "heat":
        equal = drawn.min() == drawn.max()
        fading = [
            "no value is larger than the others"
            if equal
            else f"the {number(100 * asked.share)} % of the largest values"
        ]
    own = notes_of(drawn, notes, colors, picture.shape)
    return [own[0] + size, *own[1:], *fading, *(f"image {note}" for note in image_notes)]


def image_beneath(subject: Subject, index: int, asked: Asked) -> Base:
    """The image of a sample for display, what was done to it, and its index in the input's batch."""
    image, place = _image(subject), input_sample(subject, index)
    if place is None:
        raise InvalidArgumentError(
            f"{subject.values.samples} samples of values do not belong to {image.samples} images: "
            "give both the same batch"
        )
    depth = None
    if "D" in image.axes:
        # The slice of the values, at the same fraction of the volume if the two differ in depth.
        _, chosen, _ = take_slice(one(subject.values, index), asked.depth)
        share = 0.5 if chosen is None else (chosen + 0.5) / subject.values.size("D")
        depth = int(share * image.size("D"))
    gray = asked.background == "gray" or (asked.background is None and asked.style == "heat")
    picture, notes = panels.displayable(image, place, value_range=asked.image_range, depth=depth, gray=gray)
    return picture, notes, place


def _image(subject: Subject) -> Labelled:
    if subject.input is None:
        raise InvalidArgumentError("there is no image to draw on: give image= and image_axes=")
    if subject.input.family != "image":
        raise InvalidArgumentError(
            f"an input of axes {subject.input.axes!r} is no image to draw on: use heatmap or bars"
        )
    return subject.input
