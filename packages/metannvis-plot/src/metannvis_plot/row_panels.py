"""Row panels: signals, features and tokens in a grid, beside maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from metannvis_plot import series
from metannvis_plot.arrays import Array
from metannvis_plot.canvas import NOTE_SIZE, TITLE_SIZE, characters, inches, root
from metannvis_plot.captions import number, wrap
from metannvis_plot.fonts import inches_of
from metannvis_plot.options import Asked
from metannvis_plot.outlines import mark_positions
from metannvis_plot.panel_grid import BAR, PANEL, TEXT
from metannvis_plot.subjects import Subject

HEIGHT = 1.6  # inches of lines and upright bars
BARS = 0.17  # inches of a bar that lies
TICKS = 0.25  # inches that the labels of ticks take, at least
LEFT = 0.5  # inches left of an axis of numbers


@dataclass(frozen=True)
class RowPanel:
    """Numbers of a sample as lines or bars.

    Attributes
    ----------
    family
        What they are drawn as; ``"input"``: the lines of the signal that was seen, shape (channels, positions).
    values, labels, upright
        The numbers, their names, and whether the names of tokens are words.
    height, left, below
        Inches of the panel, and those that labels of ticks take left of and below it.
    """

    family: Literal["features", "signal", "tokens", "input"]
    values: Array
    labels: tuple[str, ...] = ()
    upright: bool = False
    height: float = HEIGHT
    left: float = LEFT
    below: float = TICKS

    @property
    def shape(self) -> tuple[float, float]:
        """(Height, width) in the ratio that they have as a picture."""
        return self.height, PANEL - BAR

    def wrapped(self, lines: Sequence[str]) -> list[str]:
        """The caption in the lines that there is room for right of the labels."""
        return wrap(lines, characters(TEXT - self.left, TITLE_SIZE)).split("\n")


def row_panel(subject: Subject, index: int, names: Sequence[str] | None, asked: Asked) -> tuple[RowPanel, list[str]]:
    """The numbers of a sample, and what was done to get them, in words."""
    family = subject.values.family
    assert family != "image"
    row, notes = series.row_of(subject, index, family, asked.reduce, asked.sign)
    if family == "signal":
        return RowPanel(family, row), ["position", *notes]
    named = names if names is not None and not isinstance(names, str) and len(names) == len(row) else None
    labels = series.names_of(named, len(row), family.removesuffix("s"))
    if family == "tokens":
        below = max(inches_of(name, NOTE_SIZE) for name in labels) + 0.1 if named else TICKS
        return RowPanel(family, row, tuple(labels), named is not None, below=max(TICKS, below)), notes
    labels = series.with_values(labels, subject, index)
    order = np.arange(len(row))
    if len(row) > series.FEATURES:
        order = np.argsort(-np.abs(row), kind="stable")[: series.FEATURES]
        notes = [*notes, f"{series.FEATURES} of {len(row)} features, largest |value|"]
    labels = [labels[k] for k in order]
    left = max(inches_of(name, NOTE_SIZE) for name in labels) + 0.1
    return RowPanel(family, row[order], tuple(labels), height=0.2 + BARS * max(3, len(order)), left=left), notes


def input_panel(subject: Subject, index: int) -> tuple[RowPanel, list[str]] | None:
    """The signal that a sample is, if it is one."""
    signal = series.signal_of(subject, index)
    if signal is None:
        return None
    return RowPanel("input", signal), ([f"{len(signal)} channels"] if len(signal) > 1 else [])


def draw_row(ax: Axes, panel: RowPanel, subject: Subject, index: int, *, outline: bool) -> None:
    """The numbers at the top of the place of `ax`, right of their labels."""
    figure, box = root(ax), ax.get_position()
    width, high = (float(size) for size in figure.get_size_inches())
    across = min(inches(ax)[0], TEXT) + (0.0 if panel.family == "input" else TEXT - PANEL + BAR) - panel.left
    tall = min(panel.height, inches(ax)[1]) / high
    ax.set_position((box.x0 + panel.left / width, box.y1 - tall, max(across, 0.5) / width, tall))
    if panel.family == "features":
        series.draw_features(ax, panel.values, panel.labels)
        low, top = ax.get_xlim()
        ax.set_xticks([tick for tick in (low, 0.0, top) if low <= tick <= top][:: 2 if low == 0 or top == 0 else 1])
        ax.set_xticklabels([number(tick) for tick in ax.get_xticks()])
    elif panel.family == "tokens":
        series.draw_tokens(ax, panel.values, panel.labels, upright=panel.upright)
    elif panel.family == "signal":
        series.draw_signal(ax, panel.values)
    else:
        series.draw_lines(ax, panel.values, panel.values.shape[1])
    if outline and panel.family in ("signal", "input"):
        mark_positions(ax, subject, index, panel.values.shape[-1])
