"""The panel grid of a figure: which sample of which subject goes where, and how much room it takes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, choose_samples
from metannvis_plot.canvas import NOTE_SIZE, TITLE_SIZE, characters, foot_height, footing, lay_out, root, text_heights
from metannvis_plot.captions import how_text, wrap
from metannvis_plot.color import Scale
from metannvis_plot.subjects import Subject

PANEL = 3.6  # inches a panel takes with its colour bar
BAR = 0.9  # inches of it that the colour bar takes
TEXT = PANEL - 0.2  # inches of it that its caption may take
GAP = 0.2  # inches right of an image that has no colour bar
INPUT_TEXT = PANEL - BAR  # inches that the caption of such an image may take
MAX_SAMPLES = 8
MAX_COLUMNS = 4
OUTLINED = "outlined: where in the output the target lies"
Cell = tuple[Subject, int]


def choose_cells(
    found: list[Subject], sample: int | Sequence[int] | None, limit: int, ax: Axes | None
) -> tuple[list[Cell], str]:
    """The samples to draw of every subject, and what has to be said if some are left out.

    Raises
    ------
    InvalidArgumentError
        If there are several and only one panel to draw them in.
    """
    cells: list[Cell] = []
    more = ""
    for subject in found:
        chosen, note = choose_samples(subject.values, sample, limit)
        cells += [(subject, index) for index in chosen]
        more = more or note
    if ax is not None and len(cells) > 1:
        raise InvalidArgumentError(
            f"ax= takes one panel and there are {len(cells)}: choose with sample= (and input_index=), "
            "or leave ax out to get a figure of all"
        )
    return cells, more


def foot_of(found: Sequence[Subject], more: str = "", *, outlined: bool = False) -> str:
    """What stands below a figure: how its results were computed, once each, what an outline is, and what is left out."""
    hows = dict.fromkeys(how_text(subject.result) for subject in found)
    lines = OUTLINED if outlined and any(s.region for s in found) else ""
    return "\n".join(text for text in (*hows, lines, more) if text)


def picture_height(shape: Sequence[float], width: float = PANEL - BAR) -> float:
    """Inches a picture of this (height, width) takes, within reason."""
    return max(0.6, min(width * shape[0] / shape[1], 5.0))


def open_places(
    shapes: Sequence[Sequence[float]],
    text: Sequence[tuple[Sequence[str], Sequence[str]]],
    ax: Axes | None = None,
    more: str = "",
    columns: int = MAX_COLUMNS,
    *,
    inputs: bool = False,
    marks: Sequence[float] = (),
) -> tuple[Figure, list[Axes]]:
    """A figure with a place for each picture of these (height, width), or the axes given.

    Parameters
    ----------
    shapes : sequence of (height, width)
    text : sequence of (lines, notes)
        What will stand above and below the pictures.
    ax : Axes, optional
    more : str
        What has to be said of the whole figure.
    columns : int
    inputs : bool
        Whether the first column is of images alone, which have no colour bars.
    marks : sequence of float
        Inches below each picture for the labels of its ticks.
    """
    if ax is not None:
        return root(ax), [ax]
    columns = min(columns, len(shapes))
    rows = []
    for first in range(0, len(shapes), columns):
        height = max(picture_height(shape) for shape in shapes[first : first + columns])
        above, below = text_height(text[first : first + columns], inputs=inputs)
        rows.append((height, above, below + max(marks[first : first + columns], default=0.0)))
    widths = [PANEL - BAR + GAP if inputs and not column else PANEL for column in range(columns)]
    figure, grid = lay_out(rows, columns, widths, PANEL - BAR, bottom=foot_height(more, sum(widths)))
    places = [ax for row in grid for ax in row]
    for empty in places[len(shapes) :]:
        empty.remove()
    if more:
        footing(figure, more)
    return figure, places[: len(shapes)]


def text_height(text: Sequence[tuple[Sequence[str], Sequence[str]]], *, inputs: bool = False) -> tuple[float, float]:
    """Inches that the highest of some captions and of some notes take above and below their panels."""
    widths = [INPUT_TEXT if inputs and not column else TEXT for column in range(len(text))]
    above = [wrap(lines, characters(width, TITLE_SIZE)) for width, (lines, _) in zip(widths, text, strict=True)]
    below = [
        wrap(["; ".join(notes)] if notes else [], characters(width, NOTE_SIZE))
        for width, (_, notes) in zip(widths, text, strict=True)
    ]
    heights = [text_heights(*pair) for pair in zip(above, below, strict=True)]
    return max(h for h, _ in heights), max(h for _, h in heights)


def text_width(ax: Axes | None) -> float | None:
    """Inches a caption may take: those of the axes given, which we do not place, else those of our own."""
    return TEXT if ax is None else None


def map_panel(ax: Axes, drawn: Array, colors: Scale, colorbar: bool, size: tuple[int, int] | None = None) -> None:
    """A map with its colour bar, in the (height, width) of the picture beside it, if that is given."""
    panels.draw_map(ax, drawn, colors, size=size, interpolation="nearest" if size else "antialiased")
    if colorbar:
        panels.colorbar(ax, colors)


def size_text(picture: Array) -> str:
    """Height × width."""
    return f"{picture.shape[0]} × {picture.shape[1]}"


def notes_of(drawn: Array, notes: list[str], colors: Scale, shape: Sequence[int] = ()) -> list[str]:
    """Size, reduction and colour scale of a map, in words; `shape` is that of the picture that it lies over, if not its own."""
    height, width = (shape or drawn.shape)[:2]
    return [size_text(drawn), *notes, *scale_notes(colors, (PANEL - BAR) * height / width)]


def scale_notes(colors: Scale, tall: float) -> list[str]:
    """What has to be said of a colour scale beside a picture of `tall` inches: its ends, if its bar has no room for them."""
    low = tall * colors.evenness < panels.WORDS
    ends = f"positive: {colors.ends[1]}, negative: {colors.ends[0]}" if low and colors.ends else ""
    return [text for text in (colors.note, ends) if text]


def how_beside(subject: Subject, ax: Axes | None) -> list[str]:
    """How a result was computed, for the notes of a panel on axes given, whose figure has no foot of ours."""
    return [how_text(subject.result)] if ax is not None and subject.result is not None else []
