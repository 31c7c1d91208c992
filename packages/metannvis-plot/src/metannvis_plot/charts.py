"""Charts: what bars and lines have in common, which are titles, rows of names, legends, and ticks without a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from metannvis_plot.canvas import NOTE_SIZE, TITLE_SIZE
from metannvis_plot.color import note_ink

__all__ = ["entitle", "legend", "name_rows", "tidy", "whole_numbers"]


def entitle(ax: Axes, title: str, note: str = "") -> None:
    """A title above the left edge of a chart, and small between the two what has to be said of it.

    Parameters
    ----------
    ax : Axes
    title, note : str
        Dollar signs are dollar signs, no formulas.
    """
    ax.set_title(title, fontsize=TITLE_SIZE, loc="left", parse_math=False, pad=14 if note else 6)
    if note:
        ax.text(
            0, 1.01, note, fontsize=NOTE_SIZE, color=note_ink(), transform=ax.transAxes, va="bottom", parse_math=False
        )


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Names of horizontal bars, which lie at 0, 1, …, the first at the top."""
    ax.set_yticks(range(len(names)), list(names), parse_math=False)
    ax.set_ylim(max(len(names), 1) - 0.4, -0.6)


def whole_numbers(ax: Axes) -> None:
    """Whole numbers along the x-axis."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def tidy(ax: Axes) -> None:
    """Small ticks, and neither a frame at the top and the right nor a grid, whatever the caller's settings."""
    ax.tick_params(labelsize=NOTE_SIZE, length=2)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(False)


def legend(ax: Axes, *, size: float = NOTE_SIZE, **options: Any) -> None:
    """A legend without a frame, whose dollar signs are dollar signs.

    Parameters
    ----------
    ax : Axes
    size : float
        Points of its text.
    **options
        As ``Axes.legend`` takes them: ``handles``, ``loc``, ``ncols``.
    """
    for text in ax.legend(fontsize=size, frameon=False, **options).get_texts():
        text.set_parse_math(False)
