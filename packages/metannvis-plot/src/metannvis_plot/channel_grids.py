"""Channel grids: the channels of a layer as a grid of maps or lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, choose_samples, one, take_slice
from metannvis_plot.canvas import (
    NOTE_SIZE,
    TITLE_SIZE,
    characters,
    finish,
    foot_height,
    footing,
    heading,
    lay_out,
    text_heights,
)
from metannvis_plot.captions import caption, plain, wrap
from metannvis_plot.color import LINES
from metannvis_plot.options import Asked, ChannelsOptions, spelled_out
from metannvis_plot.panel_grid import foot_of, scale_notes
from metannvis_plot.series import zero_line
from metannvis_plot.subjects import Subject

CHANNELS = 16
SAMPLES = 6
ROWS = 8  # channels of several samples
CELL = 1.7  # inches
GAP = 0.12  # inches between two cells
SIDE = 0.75  # inches right of all cells, for the colour bar that they share
Cell = tuple[int, Array]  # a channel and its values for a sample
Rank = Literal["mean_abs", "max_abs"]
_RANKS = {"mean_abs": "mean |value|", "max_abs": "max |value|"}


@spelled_out(ChannelsOptions)
def channel_grid(
    values: Any,
    *,
    channels: int | Sequence[int] | None = None,
    rank: Rank = "mean_abs",
    sample: int | Sequence[int] | None = None,
    shared_scale: bool = True,
    **options: Unpack[ChannelsOptions],
) -> Figure:
    """Channels, each in a panel of its own; of several samples a row a channel and a column a sample.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, C, H, W)``, ``(N, H, W, C)`` or ``(N, C, L)``
    axes : str, optional
        One letter an axis, C among them.
    channels : int or sequence of int, optional
        How many, those of the largest values first, or which. Else 16.
    rank : {"mean_abs", "max_abs"}
        What "largest" means.
    sample : int or sequence of int, optional
        Which samples; else all, up to 6.
    shared_scale : bool
        Whether one colour scale serves all channels, so that they can be compared. Else each has its own.
    input_index, depth, cmap, clip, limits, title, sample_names, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure
        Its title says how the channels were selected.

    Raises
    ------
    InvalidArgumentError
        If the values have no channels to choose from, or the selection is none of them.
    """
    asked = Asked.of(options)
    target, subject = asked.file, asked.single(values)
    family = subject.values.family
    if "C" not in subject.values.axes or family not in ("image", "signal"):
        raise InvalidArgumentError(
            f"a channel grid needs C and H, W or L; not {subject.values.axes!r}: use heatmap or bars"
        )
    indices, more = choose_samples(subject.values, sample, SAMPLES)
    slices = [take_slice(one(subject.values, index), asked.depth) for index in indices]
    stacks = [chosen.data[0].astype(np.float64) for chosen, _, _ in slices]
    alone = len(stacks) == 1
    many = channels if channels is not None or alone else ROWS
    picked, selection = select_channels(np.stack(stacks, axis=1), many, rank)
    head = caption(subject, indices[0] if alone else None, asked.title)
    head.append("; ".join(text for text in (selection, slices[0][2]) if text))
    names = [] if alone else [plain(subject.name(index)) or f"sample {index}" for index in indices]
    draw = _maps if family == "image" else _lines
    cells = [(channel, stack[channel]) for channel in picked for stack in stacks]
    figure = draw(cells, head, names, shared_scale, subject, asked, more)
    return finish(figure, target)


def select_channels(
    stack: Array, channels: int | Sequence[int] | None = None, rank: str = "mean_abs"
) -> tuple[list[int], str]:
    """Channels to show, and how they were selected.

    Parameters
    ----------
    stack : ndarray, shape (C, ...)
    channels : int or sequence of int, optional
    rank : {"mean_abs", "max_abs"}

    Returns
    -------
    list of int
        In descending order of the rank (equal ones by index), or as asked for.
    str
        E.g. ``"16 of 64 channels, largest mean |value|"``.
    """
    total = stack.shape[0]
    if rank not in _RANKS:
        raise InvalidArgumentError(f"rank must be one of {', '.join(map(repr, _RANKS))}, not {rank!r}")
    if channels is not None and np.ndim(channels) != 0:
        asked = [int(c) for c in np.asarray(channels).ravel()]
        outside = [c for c in asked if not -total <= c < total]
        if outside or not asked:
            raise InvalidArgumentError(
                f"channels {outside or asked} of {total}: name at least one from 0 to {total - 1}"
            )
        return [c % total for c in asked], f"{len(asked)} of {total} channels, as chosen"
    many = CHANNELS if channels is None else channels
    if not isinstance(many, int | np.integer) or isinstance(many, bool) or many < 1:
        raise InvalidArgumentError(f"channels must be a number from 1, or a list of channels, not {channels!r}")
    flat = np.abs(stack.reshape(total, -1))
    score = flat.mean(axis=1) if rank == "mean_abs" else flat.max(axis=1)
    order = np.argsort(-score, kind="stable")[: int(many)]
    shown = len(order)
    if shown == total:
        return sorted(int(c) for c in order), f"all {total} channels" if total > 1 else "the only channel"
    return [int(c) for c in order], f"{shown} of {total} channels, largest {_RANKS[rank]}"


def _maps(
    found: list[Cell], head: list[str], names: list[str], shared: bool, subject: Subject, asked: Asked, more: str
) -> Figure:
    shape = found[0][1].shape
    common = asked.scale(subject, *(values for _, values in found))
    height = max(0.4, min(CELL * shape[0] / shape[1], 2.5))
    note = f"{shape[0]} × {shape[1]}; " + ("one colour scale for all" if shared else "a colour scale each")
    note = "; ".join(text for text in (note, *(scale_notes(common, height) if shared else []), more) if text)
    figure, places = _cells(len(found), height, 0.0 if shared else 0.45, head, names, foot_of([subject], note))
    for (_, values), ax in zip(found, places, strict=True):
        colors = common if shared else asked.scale(subject, values)
        panels.draw_map(ax, values, colors)
        if not shared:
            panels.colorbar(ax, replace(colors, ends=None))
    if shared:  # beside the first row
        columns = len({round(ax.get_position().x0, 6) for ax in places})
        panels.colorbar(places[min(columns, len(places)) - 1], common)
    _name(found, places, names)
    return figure


def _lines(
    found: list[Cell], head: list[str], names: list[str], shared: bool, subject: Subject, asked: Asked, more: str
) -> Figure:
    note = "; ".join(text for text in ("position", more) if text)
    figure, places = _cells(len(found), 1.2, 0.45, head, names, foot_of([subject], note), ticks=0.2)
    for (_, values), ax in zip(found, places, strict=True):
        ax.plot(np.arange(len(values)), values, color=LINES[0], linewidth=1)
        zero_line(ax)
        ax.tick_params(labelsize=NOTE_SIZE, length=2)
    if shared:
        low, high = (pick([pick(values) for _, values in found]) for pick in (np.min, np.max))
        margin = 0.05 * (high - low) or 1.0
        for ax in places:
            ax.set_ylim(min(low, 0.0) - margin, max(high, 0.0) + margin)
    _name(found, places, names)
    return figure


def _name(found: list[Cell], places: list[Axes], names: list[str]) -> None:
    """The channel above each cell; of several samples the channel at the left of its row and the sample above its column."""
    text: dict[str, Any] = {"fontsize": NOTE_SIZE, "parse_math": False}
    for at, ((channel, _), ax) in enumerate(zip(found, places, strict=True)):
        if not names:
            ax.set_title(f"channel {channel}", loc="left", pad=3, **text)
            continue
        if at < len(names):
            ax.set_title(wrap([names[at]], characters(CELL, NOTE_SIZE)), loc="left", pad=3, **text)
        if at % len(names) == 0:
            ax.set_ylabel(f"channel {channel}", **text)


def _cells(
    count: int, height: float, beside: float, head: list[str], names: list[str], foot: str, *, ticks: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of equal cells below its title, as many columns as there are samples, or as make it square.

    Parameters
    ----------
    count : int
    height, beside, ticks : float
        Inches of a cell, of what stands beside, and of what stands below it.
    head, names : list of str
        The lines of the title, and what stands above the columns.
    foot : str
        What stands below all.
    """
    columns = len(names) or min(count, max(3, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    left = (0.3 if names else 0.0) + (0.35 if ticks else 0.0)
    column = CELL + GAP + beside
    width = max(left + columns * column + SIDE, 3.6)
    text = wrap([plain(line) for line in head], characters(width - 0.2, TITLE_SIZE))
    named = max(wrap([name], characters(CELL, NOTE_SIZE)).count("\n") + 1 for name in names) if names else 1
    above = named * NOTE_SIZE * 1.4 / 72 + 0.08
    heights = [(height, 0.0 if names and row else above, GAP + ticks) for row in range(rows)]
    top, bottom = text_heights(text, "")[0], foot_height(foot, width)
    figure, grid = lay_out(heights, columns, column, CELL, top=top, bottom=bottom, left=left, width=width)
    heading(figure, text)
    if foot:
        footing(figure, foot)
    places = [ax for row in grid for ax in row]
    for empty in places[count:]:
        empty.remove()
    return figure, places[:count]
