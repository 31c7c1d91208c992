"""Channel grids: the channels of a layer as a grid of maps or lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, choose_samples, one, take_slice
from metannvis_plot.canvas import (
    NOTE_SIZE,
    TITLE_SIZE,
    characters,
    check_path,
    finish,
    footing,
    heading,
    new_figure,
    text_heights,
)
from metannvis_plot.captions import caption, plain, wrap
from metannvis_plot.color import LINES, scale
from metannvis_plot.series import zero_line
from metannvis_plot.subjects import single

CHANNELS = 16
CELL = 1.7  # inches
Rank = Literal["mean_abs", "max_abs"]
_RANKS = {"mean_abs": "mean |value|", "max_abs": "max |value|"}


def channel_grid(
    values: Any,
    *,
    axes: str | tuple[str, ...] | None = None,
    channels: int | Sequence[int] | None = None,
    rank: Rank = "mean_abs",
    sample: int | None = None,
    input_index: int | None = None,
    depth: int | None = None,
    shared_scale: bool = True,
    cmap: str | None = None,
    percentile: float = 100.0,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Channels of one sample, each in a panel of its own.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, C, H, W)``, ``(N, H, W, C)`` or ``(N, C, L)``
    axes : str, optional
        One letter an axis, C among them.
    channels : int or sequence of int, optional
        How many, those of the largest values first, or which. Else 16.
    rank : {"mean_abs", "max_abs"}
        What "largest" means.
    sample : int, optional
        Which sample; else the first.
    shared_scale : bool
        Whether one colour scale serves all channels, so that they can be compared. Else each has its own.
    input_index, depth, cmap, percentile, limits, title, path
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
    target = check_path(path)
    subject = single(values, axes, input_index=input_index)
    family = subject.values.family
    if "C" not in subject.values.axes or family not in ("image", "signal"):
        raise InvalidArgumentError(
            f"a channel grid needs C and H, W or L; not {subject.values.axes!r}: use heatmap or bars"
        )
    if sample is not None and np.ndim(sample) != 0:
        raise InvalidArgumentError(f"a channel grid shows one sample, not {sample!r}")
    (index,), _ = choose_samples(subject.values, 0 if sample is None else sample, 1)
    chosen, _, slice_note = take_slice(one(subject.values, index), depth)
    stack = chosen.data[0].astype(np.float64)
    picked, selection = select_channels(stack, channels, rank)
    head = caption(subject, index, title)
    head.append("; ".join(text for text in (selection, slice_note) if text))
    if family == "image":
        figure = _maps(stack, picked, head, shared_scale, cmap=cmap, percentile=percentile, limits=limits)
    else:
        figure = _lines(stack, picked, head)
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


def _maps(stack: Array, picked: list[int], head: list[str], shared: bool, **options: Any) -> Figure:
    shape = stack.shape[1:]
    height = max(0.5, min(CELL * shape[0] / shape[1], 2.5))
    figure, places = _cells(len(picked), height + 0.25, head, 0.0 if shared else 0.55)
    common = scale([stack[c] for c in picked], **options)
    drawn = None
    for channel, ax in zip(picked, places, strict=True):
        colors = common if shared else scale([stack[channel]], **options)
        drawn = panels.draw_map(ax, stack[channel], colors)
        ax.set_title(f"channel {channel}", fontsize=NOTE_SIZE, loc="left", pad=3)
        if not shared:
            panels.colorbar(ax, colors)
    if shared and drawn is not None:
        bar = figure.colorbar(drawn, ax=places, shrink=0.95, aspect=30, pad=0.02, fraction=0.05)
        bar.set_ticks(common.ticks, labels=common.tick_labels)
        bar.ax.tick_params(labelsize=NOTE_SIZE)
    note = f"{shape[0]} × {shape[1]}; " + ("one colour scale for all" if shared else "a colour scale each")
    footing(figure, "; ".join([note, *([common.note] if common.note else [])]))
    return figure


def _lines(stack: Array, picked: list[int], head: list[str]) -> Figure:
    figure, places = _cells(len(picked), 1.6, head, 0.4)
    for channel, ax in zip(picked, places, strict=True):
        ax.plot(np.arange(stack.shape[1]), stack[channel], color=LINES[0], linewidth=1)
        zero_line(ax)
        ax.set_title(f"channel {channel}", fontsize=NOTE_SIZE, loc="left", pad=3)
        ax.tick_params(labelsize=NOTE_SIZE, length=2)
    footing(figure, "position")
    return figure


def _cells(count: int, height: float, head: list[str], extra: float) -> tuple[Figure, list[Any]]:
    """A figure of equal cells below its title."""
    columns = min(count, max(3, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    width = max(columns * (CELL + extra) + 0.8, 3.6)
    text = wrap([plain(line) for line in head], characters(width - 0.2, TITLE_SIZE))
    figure = new_figure(width, rows * height + sum(text_heights(text, "note")))
    heading(figure, text)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for empty in grid[count:]:
        empty.remove()
    return figure, grid[:count]
