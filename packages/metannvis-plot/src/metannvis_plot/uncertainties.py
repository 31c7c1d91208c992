"""How sure a network is: predictions with their spread, explanations over dropout masks, the reliability diagram."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.canvas import NOTE_SIZE, check_path, finish, footing, new_figure, panel, root
from metannvis_plot.captions import number, plain
from metannvis_plot.charts import entitle, legend, name_rows, tidy
from metannvis_plot.color import LINES, NEGATIVE, POSITIVE, note_ink
from metannvis_plot.result_grids import grid

if TYPE_CHECKING:
    from metannvis_methods import Calibration, Explanation, UncertainPrediction

__all__ = ["reliability", "spread", "uncertain_prediction"]

MAX_SAMPLES, MAX_CLASSES = 8, 8
WIDTH, COLUMNS = 3.4, 2  # inches of a panel, panels beside each other
#: Share of the largest mean below which a coefficient of variation says nothing.
FAINT = 0.01


def uncertain_prediction(
    prediction: UncertainPrediction,
    *,
    sample: int | Sequence[int] | None = None,
    max_classes: int = MAX_CLASSES,
    title: str | None = None,
    ax: Axes | None = None,
    path: str | Path | None = None,
) -> Figure:
    """A bar for the mean probability of each class, and a line for one standard deviation either way.

    Parameters
    ----------
    prediction : UncertainPrediction
    sample : int or sequence of int, optional
        Which samples; else the first ones, up to a limit that the figure states.
    max_classes : int
        The most probable classes that are drawn (stated); outputs that are no classes are drawn in their order.
    title : str, optional
        Above each panel, before what is known of the sample.
    ax : matplotlib.axes.Axes, optional
        For one sample.
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        There is no such sample, or the output is dense.
    """
    target = check_path(path)
    known = prediction.probabilities
    pair = (prediction.mean, prediction.variance) if known is None else (known, prediction.probability_variance)
    arrays = [np.asarray(x) for x in pair]
    mean, variance = (x.astype(float).reshape(len(x), -1) if x.ndim < 3 else x for x in arrays)
    if mean.ndim != 2:
        raise InvalidArgumentError(
            f"outputs of shape {np.shape(prediction.mean)} are maps: draw prediction.entropy with heatmap(…, axes='NHW')"
        )
    if max_classes < 1:
        raise InvalidArgumentError(f"max_classes must be at least 1, not {max_classes}")
    chosen = _chosen(sample, len(mean))
    if ax is not None and len(chosen) > 1:
        raise InvalidArgumentError(f"ax= takes one panel and there are {len(chosen)}: choose with sample=")
    shown = min(max_classes, mean.shape[1])
    notes = [str(prediction)]
    if len(chosen) < len(mean) and sample is None:
        notes.append(f"{len(chosen)} of {len(mean)} samples")
    if shown < mean.shape[1]:
        notes.append(f"the {shown} most probable of {mean.shape[1]} classes")
    if ax is not None:
        figure, places = root(ax), [ax]
    else:
        columns = min(COLUMNS, len(chosen))
        rows = -(-len(chosen) // columns)
        figure = new_figure(WIDTH * columns, rows * (1.1 + 0.2 * max(shown, 3)) + 0.35)
        places = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for empty in places[len(chosen) :]:
            empty.remove()
        footing(figure, "; ".join(notes))
    for place, index in zip(places, chosen, strict=False):
        order = np.arange(mean.shape[1])[:shown] if known is None else np.argsort(-mean[index], kind="stable")[:shown]
        names = [plain(_name(prediction, int(k), known is not None)) for k in order]
        deviation = np.sqrt(variance[index, order])
        _bars(place, mean[index, order], deviation, names, known is not None)
        lines = [f"sample {index}" if len(mean) > 1 else "", *_known_of(prediction, index)]
        panels.describe(place, [line for line in (title or "", *lines) if line], [], WIDTH - 1.0)
    return finish(figure, target)


def _bars(ax: Axes, means: Any, deviations: Any, names: Sequence[str], probabilities: bool) -> None:
    colors = [POSITIVE if value >= 0 else NEGATIVE for value in means]
    places = np.arange(len(means))
    ax.barh(places, means, color=LINES[0] if probabilities else colors, height=0.7)
    ax.errorbar(means, places, xerr=deviations, fmt="none", ecolor=note_ink(), elinewidth=1.2, capsize=2)
    name_rows(ax, names)
    if probabilities:
        ax.set_xlim(0, 1)
    ax.set_xlabel("mean probability ± deviation" if probabilities else "mean ± deviation", fontsize=NOTE_SIZE)
    tidy(ax)


def _known_of(prediction: UncertainPrediction, index: int) -> list[str]:
    """Entropy, mutual information and what is left without evidence, of one sample."""
    told = []
    for name, values in (("entropy", prediction.entropy), ("mutual information", prediction.mutual_information)):
        if values is not None and np.ndim(values) == 1:
            told.append(f"{name} {number(float(values[index]))}")
    lines = [", ".join(told)] if told else []
    if prediction.uncertainty is not None:
        lines.append(f"without evidence {number(float(prediction.uncertainty[index]))}")
    return lines


def _name(prediction: UncertainPrediction, place: int, is_class: bool) -> str:
    labels = prediction.labels
    if labels is not None and place < len(labels):
        return str(labels[place])
    return f"class {place}" if is_class else f"output {place}"


def _chosen(sample: int | Sequence[int] | None, count: int) -> list[int]:
    if sample is None:
        return list(range(min(count, MAX_SAMPLES)))
    chosen = [int(k) for k in np.atleast_1d(sample)]
    for k in chosen:
        if not -count <= k < count:
            raise InvalidArgumentError(f"there is no sample {k}: there are {count}")
    return [k % count for k in chosen]


def spread(explanation: Explanation, **options: Any) -> Figure:
    """Mean, standard deviation and coefficient of variation of an explanation over dropout masks, beside the input.

    The coefficient is drawn where the mean is above 1 % of its largest size, and is 0 elsewhere.

    Parameters
    ----------
    explanation : Explanation
        With a ``deviation``, as ``explain(…, uncertainty=…)`` makes it.
    **options
        As for :func:`~metannvis_plot.grid`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        It has no deviation.
    """
    if getattr(explanation, "deviation", None) is None:
        raise InvalidArgumentError("spread is of explanations over masks: explain(…, uncertainty=MCDropout(50))")

    def with_values(change: Any) -> Any:
        several = isinstance(explanation.values, tuple)
        means, deviations = (x if isinstance(x, tuple) else (x,) for x in (explanation.values, explanation.deviation))
        pairs = zip(means, deviations, strict=True)
        found = tuple(None if mean is None else change(np.asarray(mean), np.asarray(sd)) for mean, sd in pairs)
        other = copy.copy(explanation)
        object.__setattr__(other, "values", found if several else found[0])
        object.__setattr__(other, "deviation", None)
        return other

    def relative(mean: Any, sd: Any) -> Any:
        size = np.abs(mean)
        strong = size > FAINT * size.max(tuple(range(1, size.ndim)), keepdims=True)
        return np.where(strong, sd / np.where(strong, size, 1), 0.0)

    maps = {
        "mean over masks": with_values(lambda mean, sd: mean),
        "standard deviation": with_values(lambda mean, sd: sd),
        "coefficient of variation": with_values(relative),
    }
    return grid(maps, **options)


def reliability(
    calibration: Calibration, *, title: str | None = None, ax: Axes | None = None, path: str | Path | None = None
) -> Figure:
    """Reliability diagram: accuracy against confidence in bins, and how many samples each holds.

    Parameters
    ----------
    calibration : Calibration
    title : str, optional
    ax : matplotlib.axes.Axes, optional
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        The path has another ending, or no folder.
    """
    target = check_path(path)
    figure, place = panel(ax, 3.8, 3.8)
    edges, counts = np.asarray(calibration.edges), np.asarray(calibration.counts)
    confidence, accuracy = np.asarray(calibration.confidence), np.asarray(calibration.accuracy)
    filled = counts > 0
    widths, middles = np.diff(edges), (edges[:-1] + edges[1:]) / 2
    place.bar(middles[filled], accuracy[filled], widths[filled] * 0.9, color=LINES[0], alpha=0.85, label="accuracy")
    low, high = np.minimum(accuracy, confidence)[filled], np.maximum(accuracy, confidence)[filled]
    place.bar(
        middles[filled],
        high - low,
        widths[filled] * 0.9,
        low,
        fill=False,
        edgecolor=LINES[5],
        hatch="////",
        label="gap",
    )
    place.stairs(counts / counts.sum(), edges, color=LINES[1], linewidth=1.5, label="share of samples")
    place.plot([0, 1], [0, 1], color=note_ink(), linestyle="--", linewidth=1, label="calibrated")
    place.set_xlim(0, 1)
    place.set_ylim(0, 1)
    place.set_aspect("equal")
    place.set_xlabel("confidence", fontsize=NOTE_SIZE)
    place.set_ylabel("accuracy", fontsize=NOTE_SIZE)
    place.tick_params(labelsize=NOTE_SIZE, length=2)
    legend(place, loc="upper left")
    entitle(place, "\n".join(text for text in (title, f"expected calibration error {calibration.error:.3g}") if text))
    return finish(figure, target)
