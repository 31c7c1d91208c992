"""Dispatch: the kind of figure that suits a result, which ``plot`` draws."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError, near_misses

from metannvis_plot.channel_grids import channel_grid
from metannvis_plot.comparisons import comparison
from metannvis_plot.dissections import dissection, dissection_comparison, dissection_units
from metannvis_plot.optimizations import is_optimization, optimization
from metannvis_plot.options import PlotOptions
from metannvis_plot.overlays import overlay, overview
from metannvis_plot.pictures import heatmap, images
from metannvis_plot.result_grids import grid
from metannvis_plot.scores import agreement, evaluation, score_board
from metannvis_plot.series import bars, curve, tokens
from metannvis_plot.subjects import Subject, input_sample, is_comparison, is_explanation, subjects
from metannvis_plot.texts import text
from metannvis_plot.uncertainties import reliability, spread, uncertain_prediction
from metannvis_plot.volumes import volume

KINDS: dict[str, Callable[..., Figure]] = {
    "overview": overview,
    "heatmap": heatmap,
    "overlay": overlay,
    "masked": partial(overlay, style="masked"),
    "contour": partial(overlay, style="contour"),
    "channels": channel_grid,
    "volume": volume,
    "grid": grid,
    "comparison": comparison,
    "images": images,
    "optimization": optimization,
    "bars": bars,
    "curve": curve,
    "tokens": tokens,
    "text": text,
}
#: Figures of results of a type of their own, by what the type says of itself (``figure``); the first is drawn unless asked.
OWN_KINDS: dict[str, dict[str, Callable[..., Figure]]] = {
    "uncertain_prediction": {"uncertain_prediction": uncertain_prediction},
    "reliability": {"reliability": reliability},
    "dissection": {"dissection": dissection, "units": dissection_units},
    "dissection_comparison": {"dissection_comparison": dissection_comparison},
    "evaluation": {"evaluation": evaluation},
    "agreement": {"agreement": agreement},
    "score_board": {"score_board": score_board},
}
_SERIES = {"signal": "curve", "tokens": "tokens", "features": "bars"}
# An image has at most this many channels; values with more are those of a layer.
_IMAGE_CHANNELS = 4


def plot(
    result: Any,
    *,
    ax: Axes | None = None,
    path: str | Path | None = None,
    kind: str | None = None,
    sample: int | Sequence[int] | None = None,
    **options: Unpack[PlotOptions],
) -> Figure:
    """Draw a result, or an array with `axes`, as what suits it.

    Without `kind`: results of a type of their own (uncertain predictions, calibration, dissections, evaluations,
    agreements, score boards) as the figure of that type; an explanation over dropout masks as mean and spread; a
    comparison, or a list of results of one method, with difference panels; a dict of results, such as those of several
    layers, or a list of several methods, layers or targets, as a grid; images of feature visualisation as images, with
    those of the way and the losses where a result has them, and several such results a row each; values of a layer with
    many channels as a grid of channels; volumes as slices and projections; other values over an image as input, heat map
    and overlay side by side, or the heat map alone if there is no image or only one panel (`ax`); signals as lines,
    features as bars, tokens as bars or, with `names`, as text.

    Parameters
    ----------
    result : Explanation, Comparison, sequence or mapping of Explanation, Evaluation, Agreement, ScoreBoard, or array_like
    ax : matplotlib.axes.Axes, optional
        Draws a single panel there; else a figure is made.
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.
    kind : str, optional
        ``"overview"``, ``"heatmap"``, ``"overlay"``, ``"masked"``, ``"contour"``, ``"channels"``, ``"volume"``, ``"grid"``,
        ``"comparison"``, ``"images"``, ``"optimization"``, ``"bars"``, ``"curve"``, ``"tokens"`` or ``"text"``.
    sample : int or sequence of int, optional
        Which samples of a batch; else all up to a limit that the figure states (of grids and comparisons:
        the first).
    **options
        What the function of that kind takes, such as ``axes="NCHW"`` for an array.

    Returns
    -------
    matplotlib.figure.Figure
        Never shown: in a script, write it with `path`; in a notebook it shows itself.

    Raises
    ------
    InvalidArgumentError
        If the result cannot be drawn so, or the figure has no such option.
    """
    words: dict[str, Any] = dict(options)
    own = own_kinds(result)
    if own:
        kind = kind or next(iter(own))
        given = {"sample": sample, "path": path, "ax": ax}
        words |= {name: value for name, value in given.items() if value is not None}
        return _draw(own, kind, words)(result, **words)
    if getattr(result, "deviation", None) is not None and ax is None and kind in (None, "spread"):
        words |= {name: value for name, value in {"sample": sample, "path": path}.items() if value is not None}
        return spread(result, **words)
    if kind is None:
        kind = choose_kind(result, single_panel=ax is not None, named="names" in words, **_only(words, subjects))
    draw = _draw(KINDS, kind, words)
    known = inspect.signature(draw).parameters
    if ax is not None:
        if "ax" not in known:
            raise InvalidArgumentError(f"a figure of kind {kind!r} has several panels and takes no ax=")
        words["ax"] = ax
    return draw(result, sample=sample, path=path, **words)


def _draw(kinds: Mapping[str, Callable[..., Figure]], kind: str, words: Mapping[str, Any]) -> Callable[..., Figure]:
    """The function that draws a kind of figure, which has all these options.

    Raises
    ------
    InvalidArgumentError
        There is no such kind, or it has no such option.
    """
    if kind not in kinds:
        raise InvalidArgumentError(f"there is no kind {kind!r}; there is {', '.join(kinds)}")
    draw = kinds[kind]
    known = inspect.signature(draw).parameters
    for name in words:
        if name not in known:
            close = near_misses(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(list(known)[1:])}"
            raise InvalidArgumentError(f"a figure of kind {kind!r} has no option {name!r}: {hint}")
    return draw


def options_of(kind: str) -> tuple[str, ...]:
    """Names of the options that figures of a kind have."""
    draw = next(kinds[kind] for kinds in (KINDS, *OWN_KINDS.values()) if kind in kinds)
    return tuple(inspect.signature(draw).parameters)[1:]


def own_kinds(result: Any) -> Mapping[str, Callable[..., Figure]]:
    """Figures that are of results of this type alone: ours by name, or a function of the package that the type is of."""
    said = getattr(type(result), "figure", "")
    if isinstance(said, str) and ":" in said:
        module, _, name = said.partition(":")
        said = getattr(import_module(module), name)
    if callable(said):
        return {getattr(said, "__name__", "figure"): said}
    return OWN_KINDS.get(str(said), {})


def choose_kind(result: Any, *, single_panel: bool = False, named: bool = False, **options: Any) -> str:
    """The kind of figure that suits a result; options are those of :func:`~metannvis_plot.subjects.subjects`."""
    own = own_kinds(result)
    if own:
        return next(iter(own))
    held = list(result.values()) if isinstance(result, Mapping) else result
    if isinstance(held, list | tuple) and held and all(map(is_optimization, held)):
        return "optimization"
    if isinstance(result, Mapping):
        return "grid"
    if is_comparison(result):
        return "comparison"
    if _several(result):
        asked = {(item.method, getattr(item, "layer", None), str(getattr(item, "target", None))) for item in result}
        return "comparison" if len(asked) == 1 else "grid"  # of different questions a difference says nothing
    found = subjects(result, **options)
    families = {subject.values.family for subject in found}
    if len(families) > 1:
        raise InvalidArgumentError(
            f"the inputs' values are {' and '.join(sorted(families))}: draw one at a time with input_index="
        )
    family = families.pop()
    if family == "tokens" and named and not single_panel:
        return "text"
    if family != "image":
        return _SERIES[family]
    role = getattr(found[0].result, "kind", None)
    if role == "feature_visualization":
        return "optimization" if is_optimization(found[0].result) and not single_panel else "images"
    if single_panel:
        return "heatmap"
    if len(found) == 1 and found[0].values.size("C") > (1 if role == "layer" else _IMAGE_CHANNELS):
        return "channels"
    if len(found) == 1 and found[0].values.size("D") > 1:
        return "volume"
    return "overview" if all(_over_image(subject) for subject in found) else "heatmap"


def _several(result: Any) -> bool:
    return isinstance(result, list | tuple) and len(result) > 0 and all(is_explanation(item) for item in result)


def _over_image(subject: Subject) -> bool:
    if subject.input is None or subject.input.family != "image":
        return False
    return all(input_sample(subject, index) is not None for index in range(subject.values.samples))


def _only(options: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}
