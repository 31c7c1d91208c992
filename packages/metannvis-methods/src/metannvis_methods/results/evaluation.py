"""Evaluations: scores of methods by metrics, as a table, a ranking, files and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from metannvis_translate.errors import DamagedFileError

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.ranks import ranks
from metannvis_methods.results.plain import jsonable
from metannvis_methods.results.result_files import read_archive, write_archive
from metannvis_methods.results.shown import Shown
from metannvis_methods.results.spreadsheets import csv_text, write_csv

__all__ = ["Evaluation"]

Array = np.ndarray[Any, Any]
FORMAT = 1
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True)
class Evaluation(Shown):
    """Scores of methods by metrics, one a sample.

    Attributes
    ----------
    scores
        Shape (methods, metrics, samples), float64; NaN where there is none.
    methods, metrics
        Names along the first two axes. A metric of a library has its name in front: ``"quantus:sparseness"``.
    rows
        One a metric: ``metric`` and ``provider``, its ``category``, the ``direction`` in which it is better (``"higher"``,
        ``"lower"``, or neither), and all its ``options``.
    curves, steps
        What scores are made of, by method and metric, shape (samples, steps), and what the steps are, where a metric has such.
    errors
        Messages of what failed, by method and metric; the metric is empty where the method failed itself.
    notes
        What to know of the run.
    seed, framework
        Of the call, and of the model.
    explanations
        What was judged, one a method, ``None`` where it failed; not written to files.
    """

    figure: ClassVar[str] = "evaluation"
    scores: Array
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    curves: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    errors: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seed: int | None = None
    framework: str = ""
    explanations: tuple[Any, ...] = ()

    def of(self, method: str, metric: str) -> Array:
        """Scores of one method by one metric, shape (samples,).

        Raises
        ------
        InvalidArgumentError
            There is no such method or metric.
        """
        for name, known in ((method, self.methods), (metric, self.metrics)):
            if name not in known:
                raise InvalidArgumentError(f"{name!r} was not evaluated; there are {', '.join(known)}")
        found: Array = self.scores[self.methods.index(method), self.metrics.index(metric)]
        return found

    def means(self) -> Array:
        """Means over samples, shape (methods, metrics); NaN where there is no score at all."""
        return _over(np.mean, self.scores)

    def spreads(self) -> Array:
        """Standard deviations over samples, shape (methods, metrics)."""
        return _over(np.std, self.scores)

    def rank(self) -> tuple[Mapping[str, Any], ...]:
        """Methods from the best to the worst.

        Methods are ranked for each sample by each metric that has a direction, 1 the best, ties sharing their mean rank.

        Returns
        -------
        One mapping a method: ``method``; ``rank``, the mean over samples and metrics; ``spread``, the standard deviation over
        them; ``by_metric``, the mean over samples for each metric; ``scored``, the share of scores that there are. A method
        without any has the rank NaN and stands last.
        """
        places = np.full(self.scores.shape, np.nan)
        directed = [k for k, row in enumerate(self.rows) if row["direction"]]
        for k in directed:
            sign = -1.0 if self.rows[k]["direction"] == "higher" else 1.0
            for sample in range(self.scores.shape[2]):
                column = self.scores[:, k, sample]
                there = ~np.isnan(column)
                places[there, k, sample] = ranks(sign * column[there]) + 1
        flat = places[:, directed].reshape(len(self.methods), len(directed) * self.scores.shape[2])
        mean, spread = _over(np.mean, flat), _over(np.std, flat)
        by_metric = _over(np.mean, places)
        found = [
            {
                "method": method,
                "rank": float(mean[place]),
                "spread": float(spread[place]),
                "by_metric": {self.metrics[k]: float(by_metric[place, k]) for k in directed},
                "scored": float((~np.isnan(self.scores[place])).mean()) if self.scores[place].size else 0.0,
            }
            for place, method in enumerate(self.methods)
        ]
        return tuple(sorted(found, key=lambda row: (np.isnan(row["rank"]), row["rank"])))

    def to_dict(self) -> dict[str, Any]:
        """Everything but curves and explanations as plain, JSON-able values; no score is ``None``."""
        means, spreads = self.means(), self.spreads()
        return {
            "methods": list(self.methods),
            "metrics": [{"name": name, **row} for name, row in zip(self.metrics, self.rows, strict=True)],
            "seed": self.seed,
            "framework": self.framework,
            "results": [
                {
                    "method": method,
                    "metric": metric,
                    "mean": _number(means[i, k]),
                    "spread": _number(spreads[i, k]),
                    "scores": [_number(score) for score in self.scores[i, k]],
                    "error": self.errors.get((method, metric), self.errors.get((method, ""))),
                }
                for i, method in enumerate(self.methods)
                for k, metric in enumerate(self.metrics)
            ],
            "ranking": [{**row, "rank": _number(row["rank"]), "spread": _number(row["spread"])} for row in self.rank()],
            "notes": list(self.notes),
        }

    def to_csv(self, path: str | PathLike[str] | None = None, *, overwrite: bool = True) -> str:
        """A line a score: method, metric, provider, category, direction, sample, score, error.

        Parameters
        ----------
        path
            Also written there.

        Raises
        ------
        InvalidArgumentError
            The file exists and ``overwrite`` is off.
        WriteError
            It cannot be written.
        """
        header = ("method", "metric", "provider", "category", "direction", "sample", "score", "error")
        rows = []
        for i, method in enumerate(self.methods):
            for k, metric in enumerate(self.metrics):
                row, error = self.rows[k], self._error(i, k)
                about = (method, metric, row["provider"], row["category"], row["direction"])
                rows += [(*about, sample, float(score), error) for sample, score in enumerate(self.scores[i, k])]
        return write_csv(csv_text(header, rows), path, overwrite=overwrite)

    def save(self, path: str | PathLike[str], *, overwrite: bool = True) -> Path:
        """Write an ``.npz`` file, which :meth:`load` reads; explanations are files of their own.

        Returns the path, with the ending added if it lacked it.

        Raises
        ------
        InvalidArgumentError
            The file exists and ``overwrite`` is off.
        WriteError
            It cannot be written; what was there is unchanged.
        """
        named = list(self.curves)
        meta = {
            "evaluation": FORMAT,
            "methods": list(self.methods),
            "metrics": list(self.metrics),
            "rows": [jsonable(dict(row)) for row in self.rows],
            "curves": [[*key, jsonable(self.steps.get(key, ()))] for key in named],
            "errors": [[*key, text] for key, text in self.errors.items()],
            "notes": list(self.notes),
            "seed": self.seed,
            "framework": self.framework,
        }
        arrays = {"scores": self.scores, **{f"curve_{place}": self.curves[key] for place, key in enumerate(named)}}
        return write_archive(path, arrays, meta, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Evaluation:
        """Read what :meth:`save` wrote. Runs no code from the file.

        Raises
        ------
        InvalidArgumentError
            The file holds no evaluation.
        DamagedFileError
            It cannot be read, or holds something else than what an evaluation consists of.
        """
        path = Path(path)
        arrays, known = read_archive(path)
        if not isinstance(known, dict) or known.get("evaluation") != FORMAT:
            raise InvalidArgumentError(f"{path} holds no evaluation of version {FORMAT}")
        try:
            curves = {(str(a), str(b)): arrays[f"curve_{k}"] for k, (a, b, _) in enumerate(known["curves"])}
            found = cls(
                scores=np.asarray(arrays["scores"], np.float64),
                methods=tuple(map(str, known["methods"])),
                metrics=tuple(map(str, known["metrics"])),
                rows=tuple(dict(row) for row in known["rows"]),
                curves=curves,
                steps={(str(a), str(b)): tuple(steps) for a, b, steps in known["curves"]},
                errors={(str(a), str(b)): str(text) for a, b, text in known["errors"]},
                notes=tuple(map(str, known["notes"])),
                seed=known["seed"],
                framework=str(known["framework"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{path.name} is damaged: {error}") from error
        fits = found.scores.ndim == 3 and found.scores.shape[:2] == (len(found.methods), len(found.metrics))
        whole = {"metric", "provider", "category", "direction"}
        if not fits or len(found.rows) != len(found.metrics) or not all(whole <= set(row) for row in found.rows):
            raise DamagedFileError(f"{path.name} is damaged: its scores are not of its methods and metrics")
        return found

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and cells as text: mean ± spread of each metric, ``↑`` and ``↓`` saying which direction is better."""
        means, spreads = self.means(), self.spreads()
        header = (
            "method",
            *(f"{m} {ARROWS[r['direction']]}".strip() for m, r in zip(self.metrics, self.rows, strict=True)),
        )
        several = self.scores.shape[2] > 1

        def cell(i: int, k: int) -> str:
            if np.isnan(means[i, k]):
                return "failed" if self._error(i, k) else "–"
            return f"{means[i, k]:.4g} ± {spreads[i, k]:.2g}" if several else f"{means[i, k]:.4g}"

        return header, [
            (method, *(cell(i, k) for k in range(len(self.metrics)))) for i, method in enumerate(self.methods)
        ]

    def _error(self, method: int, metric: int) -> str | None:
        name = self.methods[method]
        return self.errors.get((name, self.metrics[metric]), self.errors.get((name, "")))

    def __str__(self) -> str:
        header, cells = self.table()
        lines = [header, *cells]
        widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        text += [
            f"{method}{f', {metric}' if metric else ''}: {message}" for (method, metric), message in self.errors.items()
        ]
        return "\n".join([*text, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header, cells = self.table()
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(f"<tr>{_cells(line)}</tr>" for line in cells)
        told = [f"{' '.join(filter(None, key))}: {text}" for key, text in self.errors.items()] + list(self.notes)
        return f"<table><tr>{head}</tr>{body}</table>" + "".join(f"<p>{html.escape(line)}</p>" for line in told)


def _cells(line: tuple[str, ...]) -> str:
    name, *others = map(html.escape, line)
    return f"<th>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in others)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _over(function: Any, scores: Array) -> Array:
    """A mean or a deviation of the numbers there are along the last axis; NaN where there is none."""
    flat = scores.reshape(int(np.prod(scores.shape[:-1])), scores.shape[-1])
    found = [function(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in flat]
    return np.array(found, np.float64).reshape(scores.shape[:-1])
