"""Bars and curves, for values that are no pictures: features, signals and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, one, part_of, reduce_to
from metannvis_plot.canvas import NOTE_SIZE, finish, footing, inches, new_figure, root
from metannvis_plot.captions import caption, number, plain
from metannvis_plot.charts import legend, name_rows, tidy
from metannvis_plot.color import LINES, NEGATIVE, POSITIVE, ZERO, ink, note_ink
from metannvis_plot.fonts import inches_of
from metannvis_plot.options import Asked, CurveOptions, RowsOptions, spelled_out
from metannvis_plot.outlines import mark_positions
from metannvis_plot.panel_grid import foot_of, how_beside
from metannvis_plot.subjects import Subject, input_sample

FEATURES = 20
WIDTH = 5.0  # inches
STROKES = ("-", "--", ":")


@spelled_out(RowsOptions)
def bars(
    values: Any, *, names: Sequence[str] | None = None, max_features: int = FEATURES, **options: Unpack[RowsOptions]
) -> Figure:
    """One bar for each feature, red for positive and blue for negative values, beside its name and the value it has.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, F)``, ``(N, C)`` or ``(F,)``
    axes : str, optional
        One letter an axis; a 1-D array is ``"F"``.
    names : sequence of str, optional
        A name a feature; else their indices.
    max_features : int
        If there are more, those of the largest magnitude, in descending order (stated). Else all, in their
        order.
    sample, input_index, reduce, sign, title, sample_names, max_samples, ax, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values are no vectors, or the names are not one a feature.
    """
    asked = Asked.of(options)
    target = asked.file
    if max_features < 1:
        raise InvalidArgumentError(f"max_features must be at least 1, not {max_features}")
    found = asked.subjects(values)
    cells, more = asked.cells(found)
    rows = [row_of(subject, index, "features", asked.reduce, asked.sign) for subject, index in cells]
    tallest = max(min(len(row), max_features) for row, _ in rows)
    figure, places = _stack(len(cells), 0.9 + 0.19 * max(tallest, 3), asked.ax, foot_of(found, more))
    for (subject, index), (row, notes), place in zip(cells, rows, places, strict=True):
        labels = with_values(names_of(names, len(row), "feature"), subject, index)
        order = np.arange(len(row))
        if len(row) > max_features:
            order = np.argsort(-np.abs(row), kind="stable")[:max_features]
            notes = [*notes, f"{max_features} of {len(row)} features, largest |value|"]
        shown = [labels[k] for k in order]
        draw_features(place, row[order], shown)
        width = None if asked.ax is not None else WIDTH - 0.3 - max(inches_of(name, NOTE_SIZE) for name in shown)
        panels.describe(place, caption(subject, index, asked.title), [*notes, *how_beside(subject, asked.ax)], width)
    return finish(figure, target)


@spelled_out(CurveOptions)
def curve(values: Any, *, show_input: bool = True, **options: Unpack[CurveOptions]) -> Figure:
    """A line over the positions of a signal, below the signal itself where it is known.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, C, L)``, ``(N, L, C)`` or ``(N, L)``
    axes : str, optional
        One letter an axis, L among them.
    show_input : bool
        Whether the input is drawn above, a line a channel. Not with `ax`.
    outline : bool
        Whether the positions of a dense output that the target lies at are marked.
    sample, input_index, reduce, sign, title, sample_names, max_samples, ax, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values are no signals.
    """
    asked = Asked.of(options)
    target = asked.file
    found = asked.subjects(values)
    cells, more = asked.cells(found)
    rows = [row_of(subject, index, "signal", asked.reduce, asked.sign) for subject, index in cells]
    signals = [signal_of(subject, index) if show_input and asked.ax is None else None for subject, index in cells]
    figure, places = _stack(
        len(cells) + sum(signal is not None for signal in signals),
        2.0,
        asked.ax,
        foot_of(found, more, outlined=asked.outline),
    )
    for (subject, index), (row, notes), signal in zip(cells, rows, signals, strict=True):
        if signal is not None:
            above = places.pop(0)
            _draw_input(above, signal, len(row))
            if asked.outline:
                mark_positions(above, subject, index, len(row))
        place = places.pop(0)
        draw_signal(place, row)
        if asked.outline:
            mark_positions(place, subject, index, len(row))
        panels.describe(
            place, caption(subject, index, asked.title), ["position", *notes, *how_beside(subject, asked.ax)]
        )
    return finish(figure, target)


@spelled_out(RowsOptions)
def tokens(values: Any, *, names: Sequence[str] | None = None, **options: Unpack[RowsOptions]) -> Figure:
    """One bar for each token, in the order of the text.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, T)`` or ``(N, T, F)``
    axes : str, optional
        One letter an axis, T among them.
    names : sequence of str, optional
        The tokens; else their positions.
    sample, input_index, reduce, sign, title, sample_names, max_samples, ax, path
        As for :func:`~metannvis_plot.heatmap`; `reduce` is the rule over the features of a token.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values have no tokens, or the names are not one a token.
    """
    asked = Asked.of(options)
    target = asked.file
    found = asked.subjects(values)
    cells, more = asked.cells(found)
    rows = [row_of(subject, index, "tokens", asked.reduce, asked.sign) for subject, index in cells]
    longest = max(len(row) for row, _ in rows)
    figure, places = _stack(
        len(cells), 2.6, asked.ax, foot_of(found, more), width=float(np.clip(0.2 * longest, WIDTH, 14.0))
    )
    for (subject, index), (row, notes), place in zip(cells, rows, places, strict=True):
        draw_tokens(place, row, names_of(names, len(row), "token"), upright=names is not None)
        panels.describe(
            place,
            caption(subject, index, asked.title),
            [*(["position of the token"] if names is None else []), *notes, *how_beside(subject, asked.ax)],
        )
    return finish(figure, target)


def draw_features(ax: Axes, row: Array, labels: Sequence[str]) -> None:
    """Horizontal bars, the first at the top."""
    ax.barh(np.arange(len(row)), row, color=_signs(row), height=0.75)
    name_rows(ax, labels)
    ax.axvline(0, color=note_ink(), linewidth=0.8)
    tidy(ax)


def draw_signal(ax: Axes, row: Array) -> None:
    """A line, the area between it and zero in the colour of its sign."""
    at = np.arange(len(row))
    ax.plot(at, row, color=ink(), linewidth=1, marker=_point(row))
    for side, color in ((row >= 0, POSITIVE), (row <= 0, NEGATIVE)):
        ax.fill_between(at, 0, row, where=side, interpolate=True, color=color, alpha=0.5, linewidth=0)
    _positions(ax, len(row))
    zero_line(ax)
    tidy(ax)


def draw_tokens(ax: Axes, row: Array, labels: Sequence[str], *, upright: bool) -> None:
    """Vertical bars, named as far as names stay readable."""
    ax.bar(np.arange(len(row)), row, color=_signs(row), width=0.8)
    room = inches(ax)[0] / (0.17 if upright else 0.3)
    shown = np.arange(0, len(row), max(1, int(np.ceil(len(row) / room))))
    ax.set_xlim(-0.6, len(row) - 0.4)
    zero_line(ax)
    tidy(ax)
    ax.set_xticks(shown, [labels[int(k)] for k in shown], rotation=90 if upright else 0, parse_math=False)


def zero_line(ax: Axes) -> None:
    """A thin line at zero."""
    ax.axhline(0, color=note_ink(), linewidth=0.8)


def row_of(subject: Subject, index: int, family: str, rule: str, sign: str = "both") -> tuple[Array, list[str]]:
    """One number for each position of one sample."""
    if subject.values.family != family:
        raise InvalidArgumentError(
            f"axes {subject.values.axes!r} are those of {subject.values.family}, not of {family}: "
            "plot() chooses the figure that fits"
        )
    keep = {"features": "F" if "F" in subject.values.axes else "C", "signal": "L", "tokens": "T"}[family]
    row, note = reduce_to(one(subject.values, index), keep, rule)
    row, part = part_of(np.atleast_1d(row), sign)
    return row, [text for text in (note, part, "" if row.any() else ZERO) if text]


def draw_lines(ax: Axes, signal: Array, positions: int) -> list[str]:
    """The lines of a signal, over so many positions of values, and what has to be said of them."""
    for k, (channel, color) in enumerate(zip(signal, LINES, strict=False)):
        at = np.linspace(0, positions - 1, len(channel))
        line = STROKES[k % len(STROKES)]  # told apart without colours
        ax.plot(at, channel, linewidth=1, color=color, linestyle=line, marker=_point(channel), label=f"channel {k}")
    _positions(ax, positions)
    tidy(ax)
    return [f"first {len(LINES)} of {len(signal)} channels"] if len(signal) > len(LINES) else []


def _draw_input(ax: Axes, signal: Array, positions: int) -> None:
    notes = draw_lines(ax, signal, positions)
    if len(signal) > 1:
        legend(ax, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    panels.describe(ax, ["input"], notes)


def _point(row: Array) -> str:
    """The marker of a line, which a single position needs to be seen."""
    return "o" if len(row) == 1 else ""


def _positions(ax: Axes, count: int) -> None:
    """The axis from the first position to the last one."""
    ax.set_xlim(*((0, count - 1) if count > 1 else (-0.5, 0.5)))


def signal_of(subject: Subject, index: int) -> Array | None:
    """The input's lines, shape (channels, positions), if it is a signal of the same batch."""
    place = input_sample(subject, index)
    if place is None or subject.input is None or subject.input.family != "signal":
        return None
    data: Array = one(subject.input, place).data[0].astype(np.float64)
    return data.reshape(-1, data.shape[-1])


def with_values(labels: list[str], subject: Subject, index: int) -> list[str]:
    """Names of features with the values that the sample has: ``age = 39``."""
    place = input_sample(subject, index)
    of_layer = getattr(subject.result, "kind", None) == "layer"  # whose features are not those of the inputs
    if of_layer or place is None or subject.input is None or subject.input.family != "features":
        return labels
    seen = one(subject.input, place).data[0].ravel()
    if len(seen) != len(labels):
        return labels
    return [f"{name} = {number(value)}" for name, value in zip(labels, seen, strict=True)]


def names_of(names: Sequence[str] | None, count: int, what: str) -> list[str]:
    """Names of features or tokens, short ones, else their indices."""
    if names is None:
        return [f"{what} {k}" if what == "feature" else str(k) for k in range(count)]
    if isinstance(names, str) or len(names) != count:
        raise InvalidArgumentError(f"names must be {count}, one a {what}, not {len(names)}")
    short = [plain(name) for name in names]
    return [name if len(name) <= 24 else f"{name[:11]}…{name[-11:]}" for name in short]


def _stack(count: int, height: float, ax: Axes | None, more: str, width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """Panels one below the other, or the axes given."""
    if ax is not None:
        return root(ax), [ax]
    figure = new_figure(width, count * (height + 0.75) + (0.3 if more else 0.0))
    places = figure.subplots(count, 1, squeeze=False).ravel().tolist()
    if more:
        footing(figure, more)
    return figure, places


def _signs(row: Array) -> list[str]:
    return [POSITIVE if value >= 0 else NEGATIVE for value in row]
