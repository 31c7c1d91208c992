"""Result grids: several layers, methods or targets beside each other, over the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from metannvis_plot.row_panels import RowPanel, draw_row, input_panel, row_panel
from metannvis_plot.subjects import Subject, as_list, input_sample

#: Most results that stand beside each other, a row a sample, the input among them.
MAX_WIDE = 6


@spelled_out(GridOptions)
def grid(
    results: Any, *, show_input: bool = True, names: Sequence[str] | None = None, **options: Unpack[GridOptions]
) -> Figure:
    """A panel a result, beside the input: of one sample in rows of four, of several a row a sample.

    Maps, and signals, features and tokens, as lines and bars; of many features those of the largest magnitude.

    Parameters
    ----------
    results : mapping of names to Explanation, or sequence of Explanation or of array_like
        Such as what ``explain(…, layer=[…])`` returns. Values of one batch; each has a colour scale or an axis of its own.
    show_input : bool
        Whether the input is shown too, if it is an image or a signal.
    names : sequence of str, optional
        Of the features or tokens of the input; results of other numbers of them have their indices.
    axes, sample, input_index, reduce, sign, depth, cmap, clip, limits, colorbar, outline, title, sample_names, \
    max_samples, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there is no result, one cannot be drawn, or they have batches of different lengths.
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
    seen = next((subject for subject in found if _has_input(subject, chosen[0])), None) if show_input else None
    size = None if seen is None else _size(seen)
    # results of several models may see different things in one input
    alike = all(len({seen_text(subject.result, index) for subject in found}) == 1 for index in chosen)
    cells: list[_Cell] = []
    for index in chosen:
        cells += [] if seen is None else [_input(seen, index, size, alike)]
        for k, subject in enumerate(found):
            lines = caption(subject, index, asked.title, seen=not (alike and seen))
            if named is not None and plain(named[k]) not in " ".join(lines):  # the key of a layer is in its caption
                lines = [plain(named[k]), *lines]
            cells.append(_cell(subject, index, lines, size, names, asked))
    wide = len(found) + (seen is not None)
    columns = MAX_COLUMNS if len(chosen) == 1 else wide
    inputs = seen is not None and wide <= columns  # a column of them alone
    if len(chosen) > 1 and wide > MAX_WIDE:  # a row a result, and a column a sample
        columns, inputs = len(chosen), False
        cells = [cells[row * wide + column] for column in range(wide) for row in range(len(chosen))]
    below = foot_of(found, more, outlined=asked.outline)
    shapes, text = [cell.shape for cell in cells], [cell.said for cell in cells]
    marks = [cell.row.below if cell.row else 0.0 for cell in cells]
    figure, places = open_places(shapes, text, None, below, columns=columns, inputs=inputs, marks=marks)
    for cell, place in zip(cells, places, strict=True):
        if cell.row is not None:
            draw_row(place, cell.row, cell.subject, cell.index, outline=asked.outline)
            panels.describe(place, *cell.said, TEXT - cell.row.left)
        elif cell.drawn is None or cell.colors is None:
            draw_input(place, cell.subject, cell.index, asked.depth, seen=alike, outline=asked.outline)
        else:
            map_panel(place, cell.drawn, cell.colors, asked.colorbar, size)
            if asked.outline:
                draw_outline(place, cell.subject, cell.index, (int(cell.shape[0]), int(cell.shape[1])), asked.depth)
            panels.describe(place, *cell.said, TEXT)
    return finish(figure, target)


@dataclass(frozen=True)
class _Cell:
    """A panel: the input of a sample, a map with its colours, or a row of numbers."""

    subject: Subject
    index: int
    said: tuple[list[str], list[str]]
    shape: Sequence[float]
    drawn: Array | None = None
    colors: Scale | None = None
    row: RowPanel | None = None


def _input(subject: Subject, index: int, size: tuple[int, int] | None, alike: bool) -> _Cell:
    """The panel of a sample's input; if all results see the same in it, with what that is."""
    found = input_panel(subject, index)
    if found is None:
        return _Cell(subject, index, (["input", "predicted"], ["0 × 0"]), size or (1, 1))
    row, notes = found
    name = plain(subject.name(index)) or ("input" if subject.values.samples == 1 else f"input · sample {index}")
    lines = [name, *([seen_text(subject.result, index)] if alike else [])]
    return _Cell(subject, index, (row.wrapped([line for line in lines if line]), notes), row.shape, row=row)


def _cell(
    subject: Subject,
    index: int,
    lines: list[str],
    size: tuple[int, int] | None,
    names: Sequence[str] | None,
    asked: Asked,
) -> _Cell:
    """The panel of a result."""
    if subject.values.family == "image":
        drawn, notes = asked.plane(subject, index)
        colors = asked.scale(subject, drawn)
        said = (lines, notes_of(drawn, notes, colors, size or ()))
        return _Cell(subject, index, said, size or drawn.shape, drawn, colors)
    row, notes = row_panel(subject, index, names, asked)
    return _Cell(subject, index, (row.wrapped(lines), notes), row.shape, row=row)


def _has_input(subject: Subject, index: int) -> bool:
    """Whether there is an input that can be shown."""
    given = subject.input
    return given is not None and given.family in ("image", "signal") and input_sample(subject, index) is not None


def _size(subject: Subject) -> tuple[int, int] | None:
    """Height and width of the inputs, if they are images."""
    given = subject.input
    return None if given is None or given.family != "image" else (given.size("H"), given.size("W"))
