"""Figures of experiments, of what their results hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metannvis_methods.experiments import Picture

__all__ = ["draw"]


def draw(picture: Picture, path: Path) -> Path:
    """Write the figure of a picture; the path."""
    return _KINDS[picture.kind](picture, path)


def _grid(picture: Picture, path: Path) -> Path:
    from metannvis_plot import grid

    grid(picture.content, path=path, **picture.options)
    return path


def _channels(picture: Picture, path: Path) -> Path:
    from metannvis_plot import channel_grid

    (explanation,) = picture.content.values()
    channel_grid(explanation, path=path, title=picture.title, **picture.options)
    return path


def _comparison(picture: Picture, path: Path) -> Path:
    from metannvis_plot import comparison

    (found,) = picture.content.values()
    comparison(found, path=path, **picture.options)
    return path


def _images(picture: Picture, path: Path) -> Path:
    """Maps by name, a row a sample, each with colours of its own."""
    from metannvis_plot import grid

    grid(dict(picture.content), path=path, axes="NHW", **picture.options)
    return path


def _bars(picture: Picture, path: Path) -> Path:
    """A bar a name, the first at the top, names in full."""
    from matplotlib.figure import Figure

    names, values = list(picture.content), np.array(list(picture.content.values()), np.float64)
    figure = Figure(figsize=(8.0, 1.0 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, values, color=np.where(values < 0, "#2166ac", "#b2182b"))
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.tick_params(labelsize=8)
    axes.set_xlabel(picture.options.get("label", ""))
    if "line" in picture.options:
        axes.axvline(picture.options["line"], color="0.3", linewidth=0.8, linestyle="--")
    axes.set_title(picture.title, loc="left", fontsize=10)
    return _written(figure, path)


def _lines(picture: Picture, path: Path) -> Path:
    """A line a name over the steps, with a legend beside them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 5.5), layout="constrained")
    axes = figure.subplots()
    for k, (name, values) in enumerate(picture.content.items()):
        style = ("-", "--", ":", "-.")[k // 10 % 4]
        axes.plot(range(len(values)), values, style, marker=".", label=name)
    axes.set_xticks(range(len(picture.steps)), picture.steps)
    axes.set_ylabel(picture.options.get("label", ""))
    axes.axhline(picture.options.get("line", 0.0), color="0.6", linewidth=0.8)
    axes.set_title(picture.title, loc="left", fontsize=10)
    axes.legend(
        fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, ncols=1 + len(picture.content) // 30
    )
    return _written(figure, path)


def _written(figure: Any, path: Path) -> Path:
    from metannvis_translate.writing import replacing

    with replacing(path) as new, new.open("wb") as file:
        figure.savefig(file, format="png", dpi=100)
    return path


_KINDS: Mapping[str, Callable[[Any, Path], Path]] = {
    "grid": _grid,
    "channels": _channels,
    "comparison": _comparison,
    "images": _images,
    "bars": _bars,
    "lines": _lines,
}
