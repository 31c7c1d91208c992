"""Figures without pyplot: making, measuring and writing them, with no global state changed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.writing import write_bytes

from metannvis_plot.captions import plain, wrap
from metannvis_plot.color import note_ink
from metannvis_plot.fonts import CHARACTER, fall_back

DPI = 150
FORMATS = (".png", ".pdf", ".svg")
TITLE_SIZE = 9.0
NOTE_SIZE = 8.0
MARGIN = 3 / 72  # inches between a figure's edge and what stands in it, as matplotlib's layout leaves it
Row = tuple[float, float, float]


def new_figure(width: float, height: float, *, layout: Literal["constrained", "none"] = "constrained") -> Figure:
    """An empty figure of that many inches with an Agg canvas of its own."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine(layout)
    FigureCanvasAgg(figure)
    return figure


def lay_out(
    rows: Sequence[Row],
    columns: int,
    panel: float | Sequence[float],
    picture: float,
    *,
    top: float = 0.0,
    bottom: float = 0.0,
    left: float = 0.0,
    width: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of pictures placed in inches, so that captions do not overlap, whatever the aspects.

    A layout engine measures captions before it shrinks the axes to the aspect of their pictures, and cuts
    some of them off.

    Parameters
    ----------
    rows : sequence of (height, above, below)
        Inches of the highest picture of a row and of the text above and below.
    columns : int
    panel, picture : float
        Inches of a column, or of each, and of the picture in it.
    top, bottom, left : float
        Inches for what stands above, below and at the left of all.
    width : float
        Inches of the figure, at least.
    """
    panels = [panel] * columns if isinstance(panel, float | int) else list(panel)
    width = max(left + sum(panels), width) + 2 * MARGIN
    total = top + bottom + sum(sum(row) for row in rows) + 2 * MARGIN
    figure = new_figure(width, total, layout="none")
    places: list[list[Axes]] = []
    y = total - top - MARGIN
    for height, above, below in rows:
        y -= above + height
        lefts = (MARGIN + left + sum(panels[:column]) for column in range(columns))
        places.append([figure.add_axes((x / width, y / total, picture / width, height / total)) for x in lefts])
        y -= below
    return figure, places


def root(ax: Axes) -> Figure:
    """The figure that `ax` stands in, whatever subfigures lie between.

    Raises
    ------
    InvalidArgumentError
        If `ax` is no matplotlib Axes or has been removed from its figure.
    """
    figure = ax.figure if isinstance(ax, Axes) else None
    if figure is None:
        raise InvalidArgumentError(f"ax must be a matplotlib Axes in a figure, not {type(ax).__name__}")
    top = figure.figure if isinstance(figure, SubFigure) else figure
    if not isinstance(top, Figure):
        raise InvalidArgumentError("ax stands in no matplotlib Figure")
    return top


def panel(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """The axes given and its figure, or one in a new figure."""
    if ax is not None:
        return root(ax), ax
    figure = new_figure(width, height)
    return figure, figure.add_subplot()


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the place of `ax` in its figure."""
    place = ax.get_position(original=True)
    whole = root(ax).get_size_inches()
    if isinstance(ax.figure, SubFigure):
        box = ax.figure.bbox_relative
        return float(place.width * box.width * whole[0]), float(place.height * box.height * whole[1])
    return float(place.width * whole[0]), float(place.height * whole[1])


def characters(width: float, size: float) -> int:
    """How many characters of a font size fit into a width in inches."""
    return max(12, int(width * 72 / (size * CHARACTER)))


def check_path(path: str | Path | None, endings: Sequence[str] = FORMATS) -> Path | None:
    """The path of a figure to write, checked before anything is drawn.

    Raises
    ------
    InvalidArgumentError
        If its ending is none of these (where there are any), or its folder does not exist.
    """
    if path is None:
        return None
    path = Path(path)
    if endings and path.suffix.lower() not in endings:
        raise InvalidArgumentError(f"{path.name!r} must end in one of {', '.join(endings)}")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"the folder {str(path.parent)!r} of {path.name!r} does not exist")
    return path


def text_heights(lines: str, notes: str) -> tuple[float, float]:
    """Inches that a wrapped caption takes above, and wrapped notes below a panel, distances included."""
    above = (lines.count("\n") + 1) * TITLE_SIZE * 1.45 / 72 + 0.15 if lines else 0.1
    below = (notes.count("\n") + 1) * NOTE_SIZE * 1.4 / 72 + 0.1 if notes else 0.05
    return above, below


def heading(figure: Figure, text: str, size: float = TITLE_SIZE) -> None:
    """A title of the whole figure, at its left edge."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):  # it reserves no room for a title whose place is fixed
        above = text_heights(text, "")[0] * size / TITLE_SIZE / float(figure.get_size_inches()[1])
        engine.set(rect=(0, 0, 1, 1 - above))
    at = MARGIN / float(figure.get_size_inches()[0])
    high = 1 - MARGIN / float(figure.get_size_inches()[1])
    figure.suptitle(text, x=at, y=high, ha="left", va="top", fontsize=size, linespacing=1.25, parse_math=False)


def footing(figure: Figure, text: str) -> None:
    """A note below the whole figure, at its left edge, broken to its width."""
    width, height = (float(size) for size in figure.get_size_inches())
    # where pictures are placed in inches, so is the note; a layout engine finds room for it by itself
    placed = {} if figure.get_layout_engine() is not None else {"y": MARGIN / height, "va": "bottom"}
    figure.supxlabel(
        foot(text, width),
        x=MARGIN / width,
        ha="left",
        fontsize=NOTE_SIZE,
        color=note_ink(),
        linespacing=1.2,
        parse_math=False,
        **placed,
    )


def foot(text: str, width: float) -> str:
    """A note below a figure of that many inches, broken to its width."""
    return wrap(text.split("\n"), characters(width - 2 * MARGIN, NOTE_SIZE))


def foot_height(text: str, width: float) -> float:
    """Inches that a note below a figure takes, distance included."""
    return (foot(text, width).count("\n") + 1) * NOTE_SIZE * 1.4 / 72 + 0.12 if text else 0.0


def finish(figure: Figure, path: Path | None, *, title: str | None = None, note: str = "") -> Figure:
    """Write the figure if a path is given, and return it, its characters from fonts that have them.

    Parameters
    ----------
    figure : Figure
    path : Path, optional
    title : str, optional
        Stands above the whole figure, on one line.
    note : str
        Stands below the whole figure.
    """
    if title:
        heading(figure, plain(title))
    if note:
        footing(figure, note)
    fall_back(figure)
    if path is not None:
        # drawn in memory first: only what is whole goes to the disk
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix.lower().removeprefix("."), dpi=DPI)
        write_bytes(path, buffer.getbuffer())
    return figure


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG file's bytes, without the name of the program that wrote it."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()
