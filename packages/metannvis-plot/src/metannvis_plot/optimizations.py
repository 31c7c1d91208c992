"""Figures of image optimisations: the images, those of the way, and how the loss fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, choose_samples, label
from metannvis_plot.canvas import (
    MARGIN,
    NOTE_SIZE,
    TITLE_SIZE,
    characters,
    check_path,
    finish,
    foot_height,
    lay_out,
    text_heights,
)
from metannvis_plot.captions import how_text, layer_text, number, plain, target_text, wrap
from metannvis_plot.charts import legend
from metannvis_plot.color import LINES, note_ink
from metannvis_plot.panel_grid import picture_height

if TYPE_CHECKING:
    from metannvis_methods import ImageOptimization

__all__ = ["optimization"]

#: Inches of a picture and of its panel, of the names of rows, and of the curves.
PICTURE, PANEL, LEFT, CURVES = 1.35, 1.5, 0.35, 1.6
MAX_IMAGES = 10


def is_optimization(value: Any) -> bool:
    """Whether `value` has what a result of an image optimisation has."""
    return all(hasattr(value, name) for name in ("losses", "scores", "objective_of", "images"))


@dataclass(frozen=True)
class _Row:
    """A row of pictures: what it is called, its images as 0…1, and what stands above each."""

    name: str
    images: Any
    captions: Sequence[list[str]]


def optimization(
    result: ImageOptimization | Mapping[str, ImageOptimization] | Sequence[ImageOptimization],
    *,
    sample: int | Sequence[int] | None = None,
    curves: bool = True,
    title: str | None = None,
    max_samples: int = MAX_IMAGES,
    path: str | Path | None = None,
) -> Figure:
    """Images that a method made: of one result with those of the way, a row each; of several a row a result. Below the losses.

    Parameters
    ----------
    result : ImageOptimization, or mapping of names to them, or sequence of them
        Several have to have the same number of images.
    sample : int or sequence of int, optional
        Which images; else the first `max_samples` (stated).
    curves : bool
        Whether the losses are drawn: of one result a line an image, of several a line a result, its mean.
    title : str, optional
        Above the first image, instead of what is known of it.
    max_samples : int
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If something else is given, or no images.
    """
    file = check_path(path)
    named = {plain(name): one for name, one in result.items()} if isinstance(result, Mapping) else None
    found: list[Any] = (
        list(named.values()) if named is not None else list(result) if isinstance(result, list | tuple) else [result]
    )
    if not found or not all(is_optimization(one) for one in found):
        raise InvalidArgumentError(
            "this figure is of results of image optimisations: of activation_maximization, render and so on"
        )
    arrays = [label(one.images, _axes(one), "images") for one in found]
    if any(array.family != "image" for array in arrays):
        raise InvalidArgumentError("this figure is of images, and the result holds none: take bars or a curve")
    if len({array.samples for array in arrays}) > 1:
        raise InvalidArgumentError(f"results of {' and '.join(str(a.samples) for a in arrays)} images share no figure")
    chosen, more = choose_samples(arrays[0], sample, max_samples)
    names = list(named) if named is not None else [plain(one.method) for one in found]
    rows = _of_one(found[0], _axes(found[0]), chosen) if len(found) == 1 else _of_several(found, names, chosen)
    if title is not None:
        rows[-1].captions[0][:] = [plain(title)]
    pictures = [
        [panels.displayable(image, index, value_range=(0.0, 1.0))[0] for index in chosen]
        for image in (row.images for row in rows)
    ]
    sizes = []
    for row, drawn in zip(rows, pictures, strict=True):
        above = max(text_heights(wrap(lines, characters(PICTURE, TITLE_SIZE)), "")[0] for lines in row.captions)
        sizes.append((max(picture_height(picture.shape, PICTURE) for picture in drawn), above, 0.08))
    width = max(len(chosen) * PANEL + LEFT, 4.0)
    below = "\n".join(dict.fromkeys([*(how_text(one) for one in found), *([more] if more else [])]))
    room = foot_height(below, width) + (CURVES if curves else 0.0)
    figure, places = lay_out(sizes, len(chosen), PANEL, PICTURE, bottom=room, left=LEFT, width=width)
    for row, drawn, line in zip(rows, pictures, places, strict=True):
        for picture, lines, place in zip(drawn, row.captions, line, strict=True):
            panels.draw_image(place, picture)
            panels.describe(place, lines, (), PICTURE)
        line[0].set_ylabel(row.name, fontsize=NOTE_SIZE, color=note_ink(), parse_math=False)
    if curves:
        _draw_losses(figure, found, names, chosen, foot_height(below, width))
    return finish(figure, file, note=below)


def _axes(result: ImageOptimization) -> str:
    """Letters of the axes of its images."""
    return result.axes if isinstance(result.axes, str) else str(result.axes[0])


def _of_one(result: ImageOptimization, axes: str, chosen: Sequence[int]) -> list[_Row]:
    """Images of the way, and those that it ended with."""
    rows = []
    kept = result.images_of_snapshots
    if kept is not None:
        rows = [
            _Row(f"step {step}", label(images, axes, "images"), [[] for _ in chosen])
            for step, images in zip(result.snapshot_steps, kept, strict=True)
            if step < int(np.max(result.steps, initial=0))
        ]
    return [*rows, _Row("result", label(result.images, axes, "images"), [_caption(result, index) for index in chosen])]


def _of_several(found: Sequence[ImageOptimization], names: Sequence[str], chosen: Sequence[int]) -> list[_Row]:
    """A row a result."""
    return [
        _Row(name, label(one.images, _axes(one), "images"), [_reached(one, index) for index in chosen])
        for name, one in zip(names, found, strict=True)
    ]


def _caption(result: ImageOptimization, index: int) -> list[str]:
    asked = result.objective_of(index) or f"{layer_text(result)}, {target_text(result, index, len(result.scores))}"
    return [plain(asked), *_reached(result, index)]


def _reached(result: ImageOptimization, index: int) -> list[str]:
    """The probability, or else the score, that an image has."""
    if result.probabilities is not None:
        return [f"p = {number(result.probabilities[index])}"]
    score = float(result.scores[index])
    return [f"{plain(result.score)} {number(score)}"] if np.isfinite(score) else []


def _draw_losses(
    figure: Figure, found: Sequence[Any], names: Sequence[str], chosen: Sequence[int], foot: float
) -> None:
    width, height = (float(size) for size in figure.get_size_inches())
    left, bottom = MARGIN + LEFT + 0.25, foot + 0.42
    ax: Axes = figure.add_axes((left / width, bottom / height, 1 - (left + 0.1) / width, (CURVES - 0.62) / height))
    lines: list[tuple[str, Array]] = (
        [(f"image {index}", found[0].losses[:, index]) for index in chosen]
        if len(found) == 1
        else [(name, _mean(one.losses[:, list(chosen)])) for name, one in zip(names, found, strict=True)]
    )
    for k, (name, losses) in enumerate(lines):
        color, style = LINES[k % len(LINES)], ("-", "--", ":")[k // len(LINES) % 3]
        ax.plot(np.arange(1, len(losses) + 1), losses, color=color, linestyle=style, linewidth=1.0, label=name)
    ax.set_xlabel("step", fontsize=NOTE_SIZE, color=note_ink())
    ax.set_ylabel("loss", fontsize=NOTE_SIZE, color=note_ink())
    ax.tick_params(labelsize=NOTE_SIZE)
    if 1 < len(lines) <= MAX_IMAGES:
        legend(ax, size=NOTE_SIZE - 1, ncols=min(5, len(lines)), loc="upper right")


def _mean(losses: Array) -> Array:
    """Mean over the images that had not ended, each step."""
    known = np.isfinite(losses)
    return np.where(known, losses, 0).sum(1) / np.maximum(known.sum(1), 1)
