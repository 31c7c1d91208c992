"""What units stand for: histograms of concepts, images that drive a unit, two networks beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.canvas import NOTE_SIZE, check_path, finish, new_figure
from metannvis_plot.captions import number, plain
from metannvis_plot.charts import entitle, legend, name_rows, tidy, whole_numbers
from metannvis_plot.color import LINES

if TYPE_CHECKING:
    from metannvis_methods import Dissection, DissectionComparison

__all__ = ["dissection", "dissection_comparison", "dissection_units"]

WIDTH = 5.0  # inches of a histogram
PICTURE = 1.35  # inches of an image that drives a unit
MAX_CONCEPTS, MAX_UNITS = 15, 8
DIM = 0.3  # share of its brightness that an image keeps outside of the region


def dissection(
    result: Dissection,
    *,
    layer: str | Sequence[str] | None = None,
    max_concepts: int = MAX_CONCEPTS,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Histogram of concepts: how many units of each layer detect each, coloured by category.

    Parameters
    ----------
    result : Dissection
    layer : str or sequence of str, optional
        Which layers; else all.
    max_concepts : int
        Concepts of the most units that are drawn of each layer (stated).
    title : str, optional
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError, UnknownLayerError
        There is no such layer.
    """
    target = check_path(path)
    if max_concepts < 1:
        raise InvalidArgumentError(f"max_concepts must be at least 1, not {max_concepts}")
    names = list(result.layers) if layer is None else [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise InvalidArgumentError("layer is an empty list: name one or several")
    counts = {name: result.histogram(name) for name in names}
    categories = list(dict.fromkeys(result.categories))
    color = {name: LINES[k % len(LINES)] for k, name in enumerate(categories)}
    of = dict(zip(result.concepts, result.categories, strict=True))
    heights = [0.6 + 0.19 * max(min(len(found), max_concepts), 2) for found in counts.values()]
    figure = new_figure(WIDTH, sum(heights) + 0.6)
    places = figure.subplots(len(names), 1, squeeze=False, height_ratios=heights).ravel().tolist()
    for place, name in zip(places, names, strict=True):
        found = counts[name]
        shown = dict(list(found.items())[:max_concepts])
        _counted(
            place,
            [plain(concept) for concept in shown],
            list(shown.values()),
            [color[of[concept]] for concept in shown],
        )
        units = int(np.sum(np.asarray(result.layer) == list(result.layers).index(name)))
        more = f", {len(shown)} of {len(found)} concepts" if len(shown) < len(found) else ""
        entitle(place, f"{plain(name)}: {sum(found.values())} of {units} units{more}")
    if len(categories) > 1:
        handles = [Patch(color=color[name], label=plain(name)) for name in categories]
        legend(places[0], handles=handles, loc="lower right")
    places[-1].set_xlabel("units", fontsize=NOTE_SIZE)
    return finish(figure, target, title=title, note=_how(result))


def _counted(ax: Axes, names: Sequence[str], counts: Sequence[int], colors: Sequence[str]) -> None:
    ax.barh(np.arange(len(names)), counts, color=list(colors), height=0.75)
    name_rows(ax, names)
    whole_numbers(ax)
    tidy(ax)
    if not names:
        ax.text(0.5, 0.5, "no unit detects a concept", transform=ax.transAxes, ha="center", fontsize=NOTE_SIZE)


def dissection_units(
    result: Dissection,
    *,
    layer: str | None = None,
    concept: str | None = None,
    units: Sequence[int] | None = None,
    max_units: int = MAX_UNITS,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Images that drive units most, a row a unit: dark where the unit is not on.

    Parameters
    ----------
    result : Dissection
    layer : str, optional
        Which layer; needed with `units`.
    concept : str, optional
        Detectors of that concept alone.
    units : sequence of int, optional
        Which units of the layer; else those with the highest scores.
    max_units : int
        Rows, at most (stated).
    title : str, optional
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        No unit is left, or the result holds no images.
    """
    target = check_path(path)
    if max_units < 1:
        raise InvalidArgumentError(f"max_units must be at least 1, not {max_units}")
    chosen, more = _chosen(result, layer, concept, units, max_units)
    if result.thumbnails is None:
        raise InvalidArgumentError("the result holds no images: dissect(…, thumbnails=256)")
    columns = int(np.shape(result.top_images)[1])
    figure = new_figure(columns * PICTURE, len(chosen) * (PICTURE + 0.25) + 0.5)
    grid = figure.subplots(len(chosen), columns, squeeze=False)
    for row, (name, unit) in zip(grid, chosen, strict=True):
        index = result.row_of(name, unit)
        found = result.concept_of(name, unit) or "nothing"
        said = f"{plain(name)} {unit}: {plain(found)}, {_measure(result)} {number(float(result.score[index]))}"
        row[0].set_title(said, loc="left", fontsize=NOTE_SIZE, parse_math=False)
        for place, ax in enumerate(row):
            picture = result.thumbnail(int(result.top_images[index, place]))
            if picture is None:
                ax.text(0.5, 0.5, "not held", transform=ax.transAxes, ha="center", fontsize=NOTE_SIZE)
                ax.set_axis_off()
                continue
            on = result.region(name, unit, place, (int(picture.shape[0]), int(picture.shape[1])))
            panels.draw_image(ax, np.asarray(picture, float) / 255 * np.where(on, 1.0, DIM)[..., np.newaxis])
            if on.any() and not on.all():
                ax.contour(on.astype(float), [0.5], colors=[LINES[1]], linewidths=1.0)
    note = f"{_how(result)}; the images with the largest activation, outlined where it is above its threshold{more}"
    return finish(figure, target, title=title, note=note)


def _chosen(
    result: Dissection, layer: str | None, concept: str | None, units: Sequence[int] | None, count: int
) -> tuple[list[tuple[str, int]], str]:
    """Units to draw, and what has to be said of the others."""
    if units is not None:
        if layer is None:
            raise InvalidArgumentError("units are of a layer: give layer= as well")
        found = [(layer, int(unit)) for unit in units]
    elif concept is not None:
        found = [(name, unit) for name, unit, _ in result.neurons(concept) if layer in (None, name)]
    else:
        order = np.argsort(-np.asarray(result.score), kind="stable")
        named = [(result.layers[result.layer[k]], int(result.unit[k])) for k in order if result.detects[k]]
        found = [item for item in named if layer in (None, item[0])]
    if not found:
        raise InvalidArgumentError("no unit detects a concept there: name some with layer= and units=")
    return found[:count], f"; {count} of {len(found)} units" if len(found) > count else ""


def dissection_comparison(
    result: DissectionComparison,
    *,
    max_concepts: int = MAX_CONCEPTS,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Units of two networks that detect each concept, beside each other.

    Parameters
    ----------
    result : DissectionComparison
    max_concepts : int
        Concepts of the most units that are drawn (stated).
    title : str, optional
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        The path has another ending, or no folder; or there is nothing to draw.
    """
    target = check_path(path)
    if max_concepts < 1:
        raise InvalidArgumentError(f"max_concepts must be at least 1, not {max_concepts}")
    if not result.concepts:
        raise InvalidArgumentError("neither network has a unit that detects a concept")
    names = [plain(name) for name in result.concepts[:max_concepts]]
    counts = np.asarray(result.counts)[:max_concepts]
    figure = new_figure(WIDTH, 1.1 + 0.3 * max(len(names), 2))
    ax = figure.subplots()
    places = np.arange(len(names))
    for k, which in enumerate(result.names):
        ax.barh(places + (k - 0.5) * 0.4, counts[:, k], 0.38, color=LINES[k], label=plain(which))
    name_rows(ax, names)
    whole_numbers(ax)
    ax.set_xlabel("units", fontsize=NOTE_SIZE)
    tidy(ax)
    legend(ax, loc="lower right")
    more = f"; {len(names)} of {len(result.concepts)} concepts" if len(names) < len(result.concepts) else ""
    return finish(figure, target, title=title, note=f"{result}{more}")


def _measure(result: Dissection) -> str:
    return "IoU" if result.measure == "iou" else str(result.measure)


def _how(result: Dissection) -> str:
    """How concepts were told, once for the figure."""
    known = result.configuration
    images = f"{known['images']} images" if "images" in known else ""
    least = f"detectors from {_measure(result)} {number(result.threshold)}" if result.threshold is not None else ""
    return "; ".join(text for text in (result.framework, images, least) if text)
