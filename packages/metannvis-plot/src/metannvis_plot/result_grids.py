"""Result grids: several layers, methods or targets beside each other, over the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Reduction, Sign, choose_samples, plane
from metannvis_plot.canvas import check_path, finish
from metannvis_plot.captions import caption, ends_of, plain, seen_text
from metannvis_plot.color import CLIP, scale
from metannvis_plot.overlays import draw_input
from metannvis_plot.panel_grid import MAX_COLUMNS, MAX_SAMPLES, TEXT, foot_of, map_panel, notes_of, open_places
from metannvis_plot.subjects import Subject, as_list, input_sample, single


def grid(
    results: Any,
    *,
    axes: str | tuple[str, ...] | None = None,
    sample: int | Sequence[int] | None = None,
    input_index: int | None = None,
    reduce: Reduction = "sum",
    sign: Sign = "both",
    depth: int | None = None,
    show_input: bool = True,
    cmap: str | None = None,
    clip: float = CLIP,
    limits: tuple[float, float] | None = None,
    colorbar: bool = True,
    title: str | None = None,
    sample_names: Sequence[str] | None = None,
    max_samples: int = MAX_SAMPLES,
    path: str | Path | None = None,
) -> Figure:
    """A map a result, beside the input: of one sample in rows of four, of several a row a sample.

    Parameters
    ----------
    results : mapping of names to Explanation, or sequence of Explanation or of array_like
        Such as what ``explain(…, layer=[…])`` returns. Maps of one batch; each has a colour scale of its own.
    show_input : bool
        Whether the input image is shown too.
    axes, sample, input_index, reduce, sign, depth, cmap, clip, limits, colorbar, title, sample_names, max_samples, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there is no result, one is no map, or they have batches of different lengths.
    """
    target = check_path(path)
    named = list(results) if isinstance(results, Mapping) else None
    given = list(results.values()) if isinstance(results, Mapping) else as_list(results)
    if not given:
        raise InvalidArgumentError("a grid needs one result or more")
    found = [single(result, axes, input_index=input_index, sample_names=sample_names) for result in given]
    lengths = {subject.values.samples for subject in found}
    if len(lengths) > 1:
        raise InvalidArgumentError(
            f"results of batches of {' and '.join(map(str, sorted(lengths)))} samples share no grid"
        )
    chosen, more = choose_samples(found[0].values, sample, max_samples)
    pictured = [subject for subject in found if _has_image(subject, chosen[0])] if show_input else []
    rows = [[(subject, index) for subject in found] for index in chosen]
    maps = {
        (k, index): plane(subject.values, index, reduce, depth, sign)
        for index in chosen
        for k, subject in enumerate(found)
    }
    scales = {
        place: scale([drawn], cmap=cmap, clip=clip, limits=limits, ends=ends_of(found[place[0]].result))
        for place, (drawn, _) in maps.items()
    }
    shapes: list[tuple[int, ...]] = []
    text: list[tuple[list[str], list[str]]] = []
    # results of several models may see different things in one input
    alike = all(len({seen_text(subject.result, index) for subject in found}) == 1 for index in chosen)
    for index in chosen:
        size = _size(pictured[0]) if pictured else None
        if pictured:
            shapes.append(size or (1, 1))
            text.append((["input", "predicted"], ["0 × 0"]))
        for k, subject in enumerate(found):
            drawn, notes = maps[k, index]
            lines = caption(subject, index, title, seen=not (alike and pictured))
            if named is not None and plain(named[k]) not in " ".join(lines):  # the key of a layer is in its caption
                lines = [plain(named[k]), *lines]
            shapes.append(size or drawn.shape)
            text.append((lines, notes_of(drawn, notes, scales[k, index])))
    wide = len(found) + bool(pictured)
    columns = MAX_COLUMNS if len(rows) == 1 else wide
    figure, places = open_places(shapes, text, None, foot_of(found, more), columns=columns)
    left = iter(zip(places, text, strict=True))
    for index in chosen:
        if pictured:
            place, _ = next(left)
            draw_input(place, pictured[0], index, depth, seen=alike)
        for k in range(len(found)):
            place, said = next(left)
            size = _size(pictured[0]) if pictured else None
            map_panel(place, maps[k, index][0], scales[k, index], colorbar, size)
            panels.describe(place, *said, TEXT)
    return finish(figure, target)


def _has_image(subject: Subject, index: int) -> bool:
    return subject.input is not None and subject.input.family == "image" and input_sample(subject, index) is not None


def _size(subject: Subject) -> tuple[int, int] | None:
    """Height and width of the inputs."""
    image = subject.input
    return None if image is None else (image.size("H"), image.size("W"))
