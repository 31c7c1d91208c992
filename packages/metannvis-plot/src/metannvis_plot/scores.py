"""Figures of scores: evaluations, agreements of two explanations, score boards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot.arrays import Array
from metannvis_plot.canvas import NOTE_SIZE, check_path, finish, new_figure
from metannvis_plot.captions import number, plain, wrap
from metannvis_plot.charts import entitle, legend, name_rows
from metannvis_plot.color import LINES, ink, note_ink

if TYPE_CHECKING:
    from metannvis_methods import Agreement, Evaluation, Explanation, ScoreBoard

__all__ = ["agreement", "evaluation", "is_evaluation", "measured", "score_board"]

#: Inches of a panel, of a bar, and of what stands above and below the bars.
PANEL, BAR, AROUND = 3.4, 0.26, 0.75
#: Characters of a line of a legend, which stays within its panel.
LEGEND = 26
#: Panels in a row, bars of a chart, and points of samples that are drawn over a bar.
COLUMNS, MOST_BARS, MOST_POINTS = 3, 60, 200
BETTER = {"higher": "↑ higher is better", "lower": "↓ lower is better", "": ""}
#: Of the first alone, the second alone, and of both.
FIRST, SECOND, BOTH = (
    np.array([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)]) for c in (LINES[0], LINES[5], LINES[2])
)


def is_evaluation(value: Any) -> bool:
    """Whether `value` holds scores of methods by metrics."""
    return all(hasattr(value, name) for name in ("scores", "methods", "metrics", "rows"))


def measured(result: Evaluation) -> list[tuple[str, Explanation]]:
    """The explanations that an evaluation is of, by what it calls them; it has none when it was read from a file."""
    pairs = zip(result.methods, getattr(result, "explanations", ()) or (), strict=False)
    return [(plain(name), explanation) for name, explanation in pairs if explanation is not None]


def evaluation(
    result: Evaluation,
    *,
    metrics: Sequence[str] | None = None,
    curves: bool = True,
    sample: int | Sequence[int] | None = None,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """A panel a metric: a bar a method, the mean over samples, with the standard deviation and a point a sample.

    Parameters
    ----------
    result : Evaluation
    metrics : sequence of str, optional
        Which ones; else all.
    curves : bool
        Whether the means of curves that scores are made of follow, where a metric has numbers along them.
    sample : int or sequence of int, optional
        Which samples; else all.
    title : str, optional
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there is no such metric or sample, or nothing to draw.
    """
    target = check_path(path)
    chosen = _chosen(metrics, result.metrics)
    samples = _samples(sample, result.scores.shape[2])
    names = [plain(name) for name in result.methods]
    along = [m for m in chosen if curves and _drawable(result, m)]
    if not chosen or not names:
        raise InvalidArgumentError("the evaluation has no scores to draw")
    columns = min(COLUMNS, len(chosen))
    high = AROUND + BAR * len(names)
    rows = -(-len(chosen) // columns)
    curve_rows = -(-len(along) // columns)
    figure = new_figure(columns * PANEL + 0.6, rows * high + curve_rows * 2.6 + 0.4)
    grid = figure.add_gridspec(
        rows + curve_rows, columns, height_ratios=[high] * rows + [2.6] * curve_rows, hspace=0.08, wspace=0.05
    )
    for place, metric in enumerate(chosen):
        k = result.metrics.index(metric)
        ax = figure.add_subplot(grid[place // columns, place % columns])
        _bars(ax, names, result.scores[:, k][:, samples], shown=place % columns == 0)
        entitle(ax, plain(metric), BETTER[result.rows[k]["direction"]])
    for place, metric in enumerate(along):
        ax = figure.add_subplot(grid[rows + place // columns, place % columns])
        _curves(ax, result, metric, samples, with_legend=place == 0)
        entitle(ax, plain(metric), "mean of the curves")
    return finish(figure, target, title=title, note=_said(result, samples))


def agreement(
    result: Agreement,
    *,
    pictures: bool = True,
    title: str | None = None,
    sample: int | None = None,
    path: str | Path | None = None,
) -> Figure:
    """A bar an image, its intersection over union, and the places that the best and the worst have in common and apart.

    Parameters
    ----------
    result : Agreement
    pictures : bool
        Whether the places are drawn; of volumes the slice in which most are marked.
    title : str, optional
    sample : int, optional
        One to draw instead of the best and the worst.
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If there is no such sample.
    """
    target = check_path(path)
    (best, worst), names = (result.best, result.worst), [plain(name) for name in result.names]
    shown = [("best", best), ("worst", worst)] if sample is None else [("", _samples(sample, len(result.scores))[0])]
    pictures = pictures and result.first.ndim >= 3
    bars = min(len(result.scores), MOST_BARS)
    wide = max(3.0, 0.9 + 0.14 * bars)
    figure = new_figure(wide + (2.8 * len(shown) if pictures else 0), 3.3)
    grid = figure.add_gridspec(
        1, 1 + (len(shown) if pictures else 0), width_ratios=[wide, *[2.8] * (len(shown) * pictures)]
    )
    ax = figure.add_subplot(grid[0, 0])
    chosen = np.arange(len(result.scores))
    if len(chosen) > MOST_BARS:
        chosen = np.sort(
            np.argsort(-result.scores, kind="stable")[np.linspace(0, len(chosen) - 1, MOST_BARS).astype(int)]
        )
    colors = [LINES[2] if k == best else LINES[5] if k == worst else LINES[4] for k in chosen]
    ax.bar(np.arange(len(chosen)), result.scores[chosen], color=colors, width=0.8)
    ax.axhline(result.mean, color=ink(), linewidth=1, linestyle="--")
    ax.set_ylim(0, 1)
    ax.set_xlabel(
        "sample" if len(chosen) == len(result.scores) else f"{len(chosen)} of {len(result.scores)} samples",
        fontsize=NOTE_SIZE,
    )
    ticks = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), 10)).astype(int))
    ax.set_xticks(ticks, [str(chosen[k]) for k in ticks])
    ax.tick_params(labelsize=NOTE_SIZE)
    entitle(ax, f"IoU, mean {result.mean:.3f}", "dashed: the mean")
    for place, (word, which) in enumerate(shown if pictures else ()):
        panel = figure.add_subplot(grid[0, 1 + place])
        panel.imshow(_marked(result, which), interpolation="nearest")
        panel.set_xticks([])
        panel.set_yticks([])
        entitle(panel, f"{word} sample {which}".strip(), f"IoU {result.scores[which]:.3f}")
    how = f"{result.threshold} {result.quantile:g}" if result.threshold == "quantile" else result.threshold
    told = f"places above the {how}; blue: {names[0]} alone, orange: {names[1]} alone, green: both"
    note = told if pictures else f"places above the {how}, {names[0]} and {names[1]}"
    return finish(figure, target, title=title, note=note)


def score_board(
    result: ScoreBoard, *, title: str | None = None, sample: Any = None, path: str | Path | None = None
) -> Figure:
    """A bar a run, the best first: mean intersection over union with the standard deviation, and seconds a sample.

    Parameters
    ----------
    result : ScoreBoard
    title : str, optional
    sample
        Of no use: runs are drawn as a whole.
    path : str or Path, optional
        Also writes a .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        The file's ending is none of these.
    """
    target = check_path(path)
    rows = list(result.rows)[:MOST_BARS]
    figure = new_figure(2 * PANEL, AROUND + BAR * len(rows) + 0.4)
    ax = figure.add_subplot()
    at = np.arange(len(rows))
    ax.barh(at, [row["iou"] for row in rows], xerr=[row["spread"] for row in rows], color=LINES[4], ecolor=note_ink())
    ax.set_yticks(at, [plain(row["run"]) for row in rows])
    for place, row in enumerate(rows):
        told = f"{row['iou']:.3f} · {number(row['seconds'])} s"
        ax.text(1.02, place, told, va="center", fontsize=NOTE_SIZE)
    ax.set_xlim(0, 1)
    ax.invert_yaxis()
    ax.tick_params(labelsize=NOTE_SIZE)
    entitle(ax, "mean IoU with the target · seconds a sample", "")
    note = f"the first {len(rows)} of {len(result.rows)} runs" if len(result.rows) > len(rows) else ""
    return finish(figure, target, title=title, note=note)


def _bars(ax: Axes, names: Sequence[str], scores: Array, *, shown: bool) -> None:
    """Means, deviations and samples of scores ``(methods, samples)``."""
    at = np.arange(len(names))
    known = [row[~np.isnan(row)] for row in scores]
    means = np.array([row.mean() if row.size else 0.0 for row in known])
    spreads = np.array([row.std() if row.size else 0.0 for row in known])
    ax.barh(at, means, xerr=spreads, color=LINES[4], ecolor=note_ink(), height=0.7)
    for place, row in enumerate(known):
        if 1 < row.size <= MOST_POINTS:
            ax.plot(row, np.full(row.size, place), "|", color=LINES[0], markersize=6, alpha=0.7)
        if not row.size:
            ax.text(0.02, place, "no score", va="center", fontsize=NOTE_SIZE, transform=ax.get_yaxis_transform())
    name_rows(ax, names if shown else [""] * len(names))
    ax.axvline(0, color=ink(), linewidth=0.8)
    ax.tick_params(labelsize=NOTE_SIZE)
    ax.locator_params(axis="x", nbins=4)


def _curves(ax: Axes, result: Evaluation, metric: str, samples: Array, *, with_legend: bool) -> None:
    for place, method in enumerate(result.methods):
        curve = result.curves.get((method, metric))
        if curve is None:
            continue
        steps = np.asarray(result.steps[method, metric], float)
        stroke = ("-", "--", ":")[place // len(LINES) % 3]
        rows = curve[samples]
        color = LINES[place % len(LINES)]
        ax.plot(
            steps, np.nanmean(rows, axis=0), stroke, color=color, label=wrap([plain(method)], LEGEND), linewidth=1.4
        )
    ax.tick_params(labelsize=NOTE_SIZE)
    ax.margins(x=0.01)
    if with_legend:
        legend(ax, size=NOTE_SIZE - 1)


def _drawable(result: Evaluation, metric: str) -> bool:
    """Whether a metric has curves, with numbers along them."""
    steps = [result.steps.get((method, metric), ()) for method in result.methods if (method, metric) in result.curves]
    return bool(steps) and all(len(s) > 1 and all(isinstance(one, int | float) for one in s) for s in steps)


def _marked(result: Agreement, sample: int) -> Array:
    """The picture in grey, and over it the places of the first, the second, and of both, in their colours."""
    first, second = result.first[sample], result.second[sample]
    picture = None if result.pictures is None else np.asarray(result.pictures[sample], float).mean(-1)
    while first.ndim > 2:
        depth = int((first | second).reshape(len(first), -1).sum(1).argmax())
        first, second = first[depth], second[depth]
        picture = None if picture is None else picture[depth]
    if picture is None:
        picture = np.zeros(first.shape)
    low, high = float(picture.min()), float(picture.max())
    gray = (picture - low) / (high - low) if high > low else np.full(picture.shape, 0.5)
    shown = np.repeat(0.2 + 0.6 * gray[..., None], 3, axis=-1)
    for where, color in ((first & ~second, FIRST), (second & ~first, SECOND), (first & second, BOTH)):
        shown[where] = 0.35 * shown[where] + 0.65 * color
    return shown


def _chosen(metrics: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    wanted = list(known) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    for name in wanted:
        if name not in known:
            raise InvalidArgumentError(f"there is no metric {name!r} in the evaluation; there are {', '.join(known)}")
    return wanted


def _samples(sample: int | Sequence[int] | None, count: int) -> Array:
    if sample is None:
        return np.arange(count)
    wanted = np.atleast_1d(sample)
    if wanted.dtype.kind not in "iu" or not ((-count <= wanted) & (wanted < count)).all():
        raise InvalidArgumentError(f"there is no sample {sample!r}: there are {count}")
    return np.asarray(wanted % count)


def _said(result: Evaluation, samples: Array) -> str:
    lines = [f"bars: means over {len(samples)} samples, with the standard deviation" if len(samples) > 1 else ""]
    others = [row["provider"] for row in result.rows if row["provider"] != "metannvis"]
    lines += [f"metrics of {', '.join(dict.fromkeys(others))} have its name in front"] if others else []
    lines += [f"failed, see errors: {len(result.errors)}"] if result.errors else []
    return "\n".join(filter(None, lines))
