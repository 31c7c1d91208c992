"""Figures without pyplot: made, measured and written with nothing global touched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from metannvis_translate.errors import InvalidArgumentError

DPI = 150
NOTE_COLOR = "#555555"
FORMATS = (".png", ".pdf", ".svg")
TITLE_SIZE = 9.0
NOTE_SIZE = 8.0
GUTTER = 0.2  # inches between the captions of neighbours
MARGIN = 3 / 72  # inches between a figure's edge and what stands in it, as matplotlib's layout leaves it
# Average width of a character of the default font, in its size.
_CHARACTER = 0.56


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches with an Agg canvas of its own."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


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


def room(ax: Axes) -> float:
    """Inches that text above or below `ax` may take before it meets the neighbour's."""
    spec, engine = ax.get_subplotspec(), root(ax).get_layout_engine()
    if spec is None or engine is None or isinstance(ax.figure, SubFigure):
        return inches(ax)[0]
    # A layout engine moves the axes later, but the column they stand in stays.
    columns = spec.get_gridspec().ncols
    return float(root(ax).get_size_inches()[0]) * len(spec.colspan) / columns - GUTTER


def characters(width: float, size: float) -> int:
    """How many characters of a font size fit into a width in inches."""
    return max(12, int(width * 72 / (size * _CHARACTER)))


def check_path(path: str | Path | None) -> Path | None:
    """The path of a figure to write, checked before anything is drawn.

    Raises
    ------
    InvalidArgumentError
        If its ending is not .png, .pdf or .svg, or its folder does not exist.
    """
    if path is None:
        return None
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InvalidArgumentError(f"{path.name!r} must end in one of {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"the folder {str(path.parent)!r} of {path.name!r} does not exist")
    return path


def caption_height(lines: str, notes: str) -> float:
    """Inches that the wrapped lines of a caption and of notes take, their distances included."""
    above = (lines.count("\n") + 1) * TITLE_SIZE * 1.45 / 72 + 0.15 if lines else 0.1
    below = (notes.count("\n") + 1) * NOTE_SIZE * 1.4 / 72 + 0.1 if notes else 0.1
    return above + below


def heading(figure: Figure, text: str, size: float = TITLE_SIZE) -> None:
    """A title of the whole figure, at its left edge."""
    at = MARGIN / float(figure.get_size_inches()[0])
    figure.suptitle(text, x=at, ha="left", fontsize=size, linespacing=1.25, parse_math=False)


def footing(figure: Figure, text: str) -> None:
    """A note below the whole figure, at its left edge."""
    at = MARGIN / float(figure.get_size_inches()[0])
    figure.supxlabel(text, x=at, ha="left", fontsize=NOTE_SIZE, color=NOTE_COLOR, parse_math=False)


def finish(figure: Figure, path: Path | None) -> Figure:
    """Write the figure if a path is given; the figure."""
    if path is not None:
        figure.savefig(path, dpi=DPI)
    return figure


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG file's bytes, without the name of the program that wrote it."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()
