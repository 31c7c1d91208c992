"""Comparisons: results side by side, two at a time, with their difference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels, series
from metannvis_plot.arrays import Array, choose_samples
from metannvis_plot.canvas import TITLE_SIZE, finish, heading, lay_out
from metannvis_plot.captions import caption, layer_text, number, plain, target_text, translation_text
from metannvis_plot.color import scale
from metannvis_plot.options import Asked, ComparisonOptions, spelled_out
from metannvis_plot.overlays import draw_input
from metannvis_plot.panel_grid import (
    BAR,
    GAP,
    OUTLINED,
    PANEL,
    TEXT,
    map_panel,
    notes_of,
    picture_height,
    size_text,
    text_height,
)
from metannvis_plot.subjects import Subject, as_list, input_sample, is_comparison

MAX_PAIRS = 6
MARKS = 0.5  # inches left of a series for its tick labels
Drawn = tuple[Array, list[str]]


@spelled_out(ComparisonOptions)
def comparison(
    results: Any,
    *,
    names: Sequence[str] | None = None,
    sample: int | None = None,
    normalize: bool = False,
    show_input: bool = True,
    max_pairs: int = MAX_PAIRS,
    **options: Unpack[ComparisonOptions],
) -> Figure:
    """Each pair of results with one colour scale for both, and their difference with a diverging one.

    Parameters
    ----------
    results : Comparison, or sequence of Explanation or of array_like
        At least two.
    axes : str, optional
        One letter an axis, for arrays.
    names : sequence of str, optional
        What arrays are called; one a result.
    sample : int, optional
        Which sample of every result; else the first.
    normalize : bool
        Whether every result is divided by its own largest magnitude first, for toolkits that scale
        differently.
    show_input : bool
        Whether the input image is shown too.
    max_pairs : int
        Of more pairs the first are drawn (stated).
    input_index, sample_names, reduce, depth, cmap, clip, title, path
        As for :func:`~metannvis_plot.heatmap`; the title is that of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two results, or they are of different families (a picture and a vector).
    """
    asked = Asked.of(options)
    target = asked.file
    given = as_list(results)
    if len(given) < 2:
        raise InvalidArgumentError(f"a comparison needs two results or more, not {len(given)}")
    if names is not None and len(names) != len(given):
        raise InvalidArgumentError(f"names must be {len(given)}, one a result, not {len(names)}")
    found = [asked.single(result) for result in given]
    families = sorted({subject.values.family for subject in found})
    if len(families) > 1:
        raise InvalidArgumentError(f"results of different families cannot be compared: {' and '.join(families)}")
    chosen = [choose_samples(subject.values, 0 if sample is None else sample, 1)[0][0] for subject in found]
    rows = [_values(s, k, asked, normalize) for s, k in zip(found, chosen, strict=True)]
    titles = [
        caption(subject, index, None if names is None else names[k], seen=False, how=True)
        or [f"values {k}" + (f", sample {index}" if subject.values.samples > 1 else "")]
        for k, (subject, index) in enumerate(zip(found, chosen, strict=True))
    ]
    pairs = list(combinations(range(len(found)), 2))
    shown = pairs[: max(1, max_pairs)]
    picture = families[0] == "image"
    with_input = picture and show_input and _has_image(found[0], chosen[0])
    head = _heading(results, asked.title, len(shown), len(pairs), normalize)
    if with_input and found[0].region is not None:
        head = " · ".join(text for text in (head, OUTLINED) if text)
    differences = [_difference_caption(found[a], found[b], chosen[a], names and (names[a], names[b])) for a, b in shown]
    columns = 4 if with_input else 3
    figure, places = _rows(rows, len(shown), picture, columns, [*titles, *differences], head)
    draw = _pictures if picture else _series
    for (a, b), row, said in zip(shown, places, differences, strict=True):
        if with_input:
            draw_input(row.pop(0), found[a], chosen[a], asked.depth)
        draw(row, (rows[a], rows[b]), (titles[a], titles[b]), said, families[0], asked)
    return finish(figure, target)


def _pictures(
    places: list[Axes],
    rows: tuple[Drawn, Drawn],
    titles: tuple[list[str], list[str]],
    said: list[str],
    family: str,
    asked: Asked,
) -> None:
    (first, _), (second, _) = rows
    shared = scale([first, second], cmap=asked.cmap, clip=asked.clip)
    for place, (values, notes), title in zip(places, rows, titles, strict=False):
        map_panel(place, values, shared, True)
        panels.describe(place, title, [*notes_of(values, notes, shared), "colours shared by the pair"], TEXT)
    last = places[2]
    if first.shape != second.shape:
        panels.unused(last, f"no difference: {size_text(first)} and {size_text(second)} are different sizes")
        return
    difference = first - second
    map_panel(last, difference, scale([difference], signed=True, clip=100), True)
    panels.describe(last, said, [_closeness(first, second)], TEXT)


def _series(
    places: list[Axes],
    rows: tuple[Drawn, Drawn],
    titles: tuple[list[str], list[str]],
    said: list[str],
    family: str,
    asked: Asked,
) -> None:
    (first, _), (second, _) = rows
    both = np.concatenate([first, second])
    low, high = min(float(both.min()), 0.0), max(float(both.max()), 0.0)
    margin = 0.05 * (high - low) or 1.0
    order = np.arange(len(first))
    notes: list[str] = []
    same = first.shape == second.shape
    if family == "features" and same and len(first) > series.FEATURES:
        order = np.sort(np.argsort(-np.maximum(np.abs(first), np.abs(second)), kind="stable")[: series.FEATURES])
        notes = [f"{len(order)} of {len(first)} features, largest |value| of either"]
    for place, (values, own), title in zip(places, rows, titles, strict=False):
        _draw(place, values, family, order if same else np.arange(len(values)))
        (place.set_xlim if family == "features" else place.set_ylim)(low - margin, high + margin)
        panels.describe(place, title, [*own, *notes, "axis shared by the pair"], TEXT - MARKS)
    if not same:
        panels.unused(places[2], f"no difference: {len(first)} and {len(second)} values")
        return
    _draw(places[2], first - second, family, order)
    panels.describe(places[2], said, [_closeness(first, second)], TEXT - MARKS)


def _draw(ax: Axes, values: Array, family: str, order: Array) -> None:
    if family == "signal":
        series.draw_signal(ax, values)
    elif family == "tokens":
        series.draw_tokens(ax, values, [str(k) for k in range(len(values))], upright=False)
    else:
        series.draw_features(ax, values[order], [str(k) for k in order])


def _values(subject: Subject, index: int, asked: Asked, normalize: bool) -> tuple[Array, list[str]]:
    family = subject.values.family
    if family == "image":
        values, notes = asked.plane(subject, index)
    else:
        values, notes = series.row_of(subject, index, family, asked.reduce)
    largest = float(np.abs(values).max())
    if normalize and largest > 0:
        values, notes = values / largest, [*notes, f"divided by {number(largest)}"]
    return values, notes


def _has_image(subject: Subject, index: int) -> bool:
    return subject.input is not None and input_sample(subject, index) is not None and subject.input.family == "image"


def _closeness(first: Array, second: Array) -> str:
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    difference = float(np.abs(first - second).max())
    if difference == 0:
        return "identical"
    return f"largest |difference| {number(difference)}, {number(difference / largest)} of the largest |value|"


def _difference_caption(a: Subject, b: Subject, index: int, names: Sequence[str] | None) -> list[str]:
    """What is subtracted from what, and what both have in common."""
    if names:
        return ["difference", f"{plain(names[0])} − {plain(names[1])}"]
    if a.result is None or b.result is None:
        return ["difference", "first − second"]
    first, second = "first", "second"
    for name in ("toolset", "method", "layer", "framework"):
        one, other = getattr(a.result, name, None), getattr(b.result, name, None)
        if one != other:
            first, second = plain(one), plain(other)
            break
    method = plain(a.result.method) if a.result.method == b.result.method else "difference"
    layers = sorted({layer_text(a.result), layer_text(b.result)})
    closeness = [translation_text(a.result), translation_text(b.result)]
    return [
        f"{method} · {first} − {second}",
        f"{' / '.join(layers)} · {target_text(a.result, index, a.values.samples)}",
        *(closeness[:1] if closeness[0] == closeness[1] else map("{}: {}".format, (first, second), closeness)),
    ]


def _heading(results: Any, title: str | None, shown: int, pairs: int, normalize: bool) -> str:
    said = [plain(title)] if title is not None else []
    if is_comparison(results):
        said += ["options aligned" if getattr(results, "aligned", False) else "default options, not aligned"]
    said += ["each divided by its largest |value|"] if normalize else []
    said += [f"first {shown} of {pairs} pairs (max_pairs={shown})"] if shown < pairs else []
    return " · ".join(said)


def _rows(
    rows: list[Drawn], pairs: int, picture: bool, columns: int, lines: Sequence[Sequence[str]], title: str
) -> tuple[Figure, list[list[Axes]]]:
    """One row of places for each pair, high enough for the captions and two lines of notes."""
    above, below = text_height([(said, ["a note " * 10]) for said in lines])
    widths = [PANEL - BAR + GAP if columns == 4 and not column else PANEL for column in range(columns)]
    top = 0.35 if title else 0.0
    if picture:
        height = max(picture_height(values.shape) for values, _ in rows)
        figure, places = lay_out([(height, above, below)] * pairs, columns, widths, PANEL - BAR, top=top)
    else:
        bars = max(8, min(max(len(values) for values, _ in rows), series.FEATURES))
        figure, places = lay_out(
            [(0.3 + 0.19 * bars, above, below + 0.2)] * pairs, columns, PANEL, PANEL - BAR, top=top
        )
        for ax in (ax for row in places for ax in row):
            box = ax.get_position()
            ax.set_position((box.x0 + MARKS / figure.get_figwidth(), box.y0, box.width, box.height))
    if title:
        heading(figure, title, TITLE_SIZE + 1)
    return figure, places
