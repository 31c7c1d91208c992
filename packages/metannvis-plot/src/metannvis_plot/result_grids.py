"""Result grids: several layers, methods or targets beside each other, over the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, choose_samples
from metannvis_plot.canvas import finish
from metannvis_plot.captions import caption, plain, seen_text
from metannvis_plot.color import Scale
from metannvis_plot.options import Asked, GridOptions, spelled_out
from metannvis_plot.outlines import draw_outline
from metannvis_plot.overlays import draw_input
from metannvis_plot.panel_grid import MAX_COLUMNS, TEXT, foot_of, map_panel, notes_of, open_places
from metannvis_plot.subjects import Subject, as_list, input_sample

#: Most results that stand beside each other, a row a sample, the input among them.
MAX_WIDE = 6


@spelled_out(GridOptions)
def grid(results: Any, *, show_input: bool = True, **options: Unpack[GridOptions]) -> Figure:
    """A map a result, beside the input: of one sample in rows of four, of several a row a sample.

    Parameters
    ----------
    results : mapping of names to Explanation, or sequence of Explanation or of array_like
        Such as what ``explain(…, layer=[…])`` returns. Maps of one batch; each has a colour scale of its own.
    show_input : bool
        Whether the input image is shown too.
    axes, sample, input_index, reduce, sign, depth, cmap, clip, limits, colorbar, outline, title, sample_names, \
    max_samples, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there is no result, one is no map, or they have batches of different lengths.
    """
    asked = Asked.of(options)
    target = asked.file
    named = list(results) if isinstance(results, Mapping) else None
    given = list(results.values()) if isinstance(results, Mapping) else as_list(results)
    if not given:
        raise InvalidArgumentError("a grid needs one result or more")
    found = [asked.single(result) for result in given]
    lengths = {subject.values.samples for subject in found}
    if len(lengths) > 1:
        raise InvalidArgumentError(
            f"results of batches of {' and '.join(map(str, sorted(lengths)))} samples share no grid"
        )
    chosen, more = choose_samples(found[0].values, asked.sample, asked.max_samples)
    pictured = next((subject for subject in found if _has_image(subject, chosen[0])), None) if show_input else None
    size = None if pictured is None else _size(pictured)
    # results of several models may see different things in one input
    alike = all(len({seen_text(subject.result, index) for subject in found}) == 1 for index in chosen)
    cells: list[_Cell] = []
    for index in chosen:
        if pictured is not None:
            cells.append(_Cell(pictured, index, (["input", "predicted"], ["0 × 0"]), size or (1, 1)))
        for k, subject in enumerate(found):
            drawn, notes = asked.plane(subject, index)
            colors = asked.scale(subject, drawn)
            lines = caption(subject, index, asked.title, seen=not (alike and pictured))
            if named is not None and plain(named[k]) not in " ".join(lines):  # the key of a layer is in its caption
                lines = [plain(named[k]), *lines]
            said = (lines, notes_of(drawn, notes, colors, size or ()))
            cells.append(_Cell(subject, index, said, size or drawn.shape, drawn, colors))
    wide = len(found) + (pictured is not None)
    columns = MAX_COLUMNS if len(chosen) == 1 else wide
    inputs = pictured is not None and wide <= columns  # a column of them alone
    if len(chosen) > 1 and wide > MAX_WIDE:  # a row a result, and a column a sample
        columns, inputs = len(chosen), False
        cells = [cells[row * wide + column] for column in range(wide) for row in range(len(chosen))]
    below = foot_of(found, more, outlined=asked.outline)
    shapes, text = [cell.shape for cell in cells], [cell.said for cell in cells]
    figure, places = open_places(shapes, text, None, below, columns=columns, inputs=inputs)
    for cell, place in zip(cells, places, strict=True):
        if cell.drawn is None or cell.colors is None:
            draw_input(place, cell.subject, cell.index, asked.depth, seen=alike, outline=asked.outline)
            continue
        map_panel(place, cell.drawn, cell.colors, asked.colorbar, size)
        if asked.outline:
            draw_outline(place, cell.subject, cell.index, cell.shape, asked.depth)
        panels.describe(place, *cell.said, TEXT)
    return finish(figure, target)


@dataclass(frozen=True)
class _Cell:
    """A panel: the input of a sample, or a map with its colours."""

    subject: Subject
    index: int
    said: tuple[list[str], list[str]]
    shape: tuple[int, ...]
    drawn: Array | None = None
    colors: Scale | None = None


def _has_image(subject: Subject, index: int) -> bool:
    return subject.input is not None and subject.input.family == "image" and input_sample(subject, index) is not None


def _size(subject: Subject) -> tuple[int, int] | None:
    """Height and width of the inputs."""
    image = subject.input
    return None if image is None else (image.size("H"), image.size("W"))
