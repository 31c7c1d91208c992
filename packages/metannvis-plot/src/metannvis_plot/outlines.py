"""Outlines of a dense target: where in the output it lies, drawn around it on the pictures of the input and of the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from metannvis_plot.arrays import Array, one, take_slice
from metannvis_plot.color import ink
from metannvis_plot.subjects import Subject

#: Lines from below to above, as (colour, width in points): seen on bright and on dark pictures.
LINES = (("white", 2.6), ("black", 1.2))
#: A region smaller than this share of a picture has a ring around it as well.
SMALL = 0.05


def region_of(subject: Subject, index: int, rank: int) -> Array | None:
    """Where the target of a sample lies, true or false at each position of the output, which has so many axes of positions.

    ``None`` where there is nothing to tell apart: no dense target, one over all positions, or an output of other axes.
    """
    region = subject.region
    if region is None or region.samples not in (1, subject.values.samples):
        return None
    inside: Array = one(region, index if region.samples > 1 else 0).data[0] != 0
    return None if inside.ndim != rank or inside.all() or not inside.any() else inside


def slice_of(inside: Array, axis: int, at: int, count: int) -> Array:
    """The slice of a region that lies where slice `at` of `count` of the values does."""
    return inside.take(int((at + 0.5) * inside.shape[axis] / count), axis)


def draw_outline(ax: Axes, subject: Subject, index: int, sizes: Sequence[int], depth: int | None = None) -> None:
    """The outline of a sample's target on a picture of this (height, width)."""
    flat = "D" not in subject.values.axes
    inside = region_of(subject, index, 2 if flat else 3)
    if inside is not None and not flat:
        _, chosen, _ = take_slice(one(subject.values, index), depth)
        inside = slice_of(inside, 0, chosen or 0, subject.values.size("D"))
    if inside is not None:
        outline(ax, inside, sizes)


def outline(ax: Axes, inside: Array, sizes: Sequence[int]) -> None:
    """Lines along the edges of the positions that are true, which lie edge to edge on a picture of this (height, width)."""
    height, width = sizes[:2]
    framed = np.pad(inside, 1)
    down = np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1])  # edges between a row and the one below
    across = np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1])
    edges = [((x, y), (x + 1, y)) for y, x in down] + [((x, y), (x, y + 1)) for y, x in across]
    if not edges:
        return
    lines = np.array(edges, dtype=float) * (width / inside.shape[1], height / inside.shape[0]) - 0.5
    for color, thick in LINES:
        ax.add_collection(LineCollection(list(lines), colors=color, linewidths=thick, capstyle="round"), autolim=False)
    (top, left), (bottom, right) = lines[..., ::-1].min((0, 1)), lines[..., ::-1].max((0, 1))
    if max((bottom - top) / height, (right - left) / width) < SMALL:
        ring: dict[str, Any] = {
            "marker": "o",
            "markersize": 13,
            "markerfacecolor": "none",
            "scalex": False,
            "scaley": False,
        }
        for color, thick in LINES:
            ax.plot([(left + right) / 2], [(top + bottom) / 2], markeredgecolor=color, markeredgewidth=thick, **ring)


def mark_positions(ax: Axes, subject: Subject, index: int, positions: int) -> None:
    """A grey band over the positions of a signal that the target lies at."""
    inside = region_of(subject, index, 1)
    if inside is None:
        return
    steps = np.flatnonzero(np.diff(np.pad(inside.astype(int), 1))) * positions / len(inside)
    for start, stop in steps.reshape(-1, 2):
        ax.axvspan(start - 0.5, stop - 0.5, color=ink(), alpha=0.15, linewidth=0, zorder=0)
