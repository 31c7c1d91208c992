"""Heat maps of values, and images that feature visualization has made."""

from __future__ import annotations

from typing import Any, Unpack

from matplotlib.figure import Figure

from metannvis_plot import panels
from metannvis_plot.canvas import finish
from metannvis_plot.captions import caption
from metannvis_plot.options import Asked, HeatmapOptions, ImagesOptions, spelled_out
from metannvis_plot.outlines import draw_outline
from metannvis_plot.panel_grid import (
    foot_of,
    how_beside,
    map_panel,
    notes_of,
    open_places,
    size_text,
    text_width,
)


@spelled_out(HeatmapOptions)
def heatmap(values: Any, **options: Unpack[HeatmapOptions]) -> Figure:
    """Heat maps of values over the positions of an image, one for each sample.

    Signed values have a diverging colour map centred on zero, non-negative ones a sequential map from zero.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, C, H, W)``, ``(N, H, W, C)`` or ``(H, W)``
        Any real dtype and range.
    axes : str, optional
        One letter an axis; an explanation brings its own, a 2-D array is ``"HW"``.
    sample : int or sequence of int, optional
        Which samples; else all, up to `max_samples`.
    input_index : int, optional
        Which input of a model with several; else all.
    reduce : {"sum", "mean", "max_abs"}
        What becomes of the channels.
    sign : {"both", "positive", "negative", "absolute"}
        Which of the values are drawn, after the channels are reduced.
    depth : int, optional
        Slice of a volume; else that of the largest mean magnitude.
    cmap : str, optional
    clip : float
        Values beyond this percentile of the magnitudes share the last colour, and their share is stated; 100 clips none.
    limits : (float, float), optional
        Ends of the colour scale.
    colorbar : bool
    outline : bool
        Whether the region of a dense output that the target lies in is outlined.
    title : str, optional
        Takes the place of the caption.
    sample_names : sequence of str, optional
        What the samples are called, such as their files, one each.
    max_samples : int
    ax : matplotlib.axes.Axes, optional
        Draws there; one sample only.
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values are no maps, not finite or empty, or an option does not fit them.
    """
    asked = Asked.of(options)
    target, found = asked.file, asked.subjects(values)
    cells, more = asked.cells(found)
    maps, scales = asked.maps(cells)
    text = [
        (caption(subject, index, asked.title), [*notes_of(drawn, notes, colors), *how_beside(subject, asked.ax)])
        for (subject, index), (drawn, notes), colors in zip(cells, maps, scales, strict=True)
    ]
    below = foot_of(found, more, outlined=asked.outline)
    figure, places = open_places([drawn.shape for drawn, _ in maps], text, asked.ax, below)
    for cell, (drawn, _), colors, said, place in zip(cells, maps, scales, text, places, strict=True):
        map_panel(place, drawn, colors, asked.colorbar)
        if asked.outline:
            draw_outline(place, *cell, drawn.shape, asked.depth)
        panels.describe(place, *said, text_width(asked.ax))
    return finish(figure, target)


@spelled_out(ImagesOptions)
def images(
    values: Any,
    axes: str | tuple[str, ...] | None = None,
    *,
    image_range: tuple[float, float] | None = None,
    **options: Unpack[ImagesOptions],
) -> Figure:
    """Values that are images themselves, such as those of activation maximisation.

    One channel is drawn grey, three as red, green and blue, other numbers as their mean.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, H, W, 3)``
    axes : str, optional
    image_range : (float, float), optional
        Values shown black and white; else 0 and 255 for bytes, 0 and 1 if all lie within, else the image's
        own minimum and maximum (stated).
    sample, input_index, depth, title, sample_names, max_samples, ax, path
        As for :func:`heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values are no images, not finite or empty.
    """
    asked = Asked(axes=axes, image_range=image_range, **options)
    target, found = asked.file, asked.subjects(values)
    cells, more = asked.cells(found)
    shown = [
        panels.displayable(subject.values, index, value_range=image_range, depth=asked.depth)
        for subject, index in cells
    ]
    text = [
        (caption(subject, index, asked.title), [size_text(picture), *notes, *how_beside(subject, asked.ax)])
        for (subject, index), (picture, notes) in zip(cells, shown, strict=True)
    ]
    figure, places = open_places([picture.shape for picture, _ in shown], text, asked.ax, foot_of(found, more))
    for (picture, _), said, place in zip(shown, text, places, strict=True):
        panels.draw_image(place, picture)
        panels.describe(place, *said, text_width(asked.ax))
    return finish(figure, target)
