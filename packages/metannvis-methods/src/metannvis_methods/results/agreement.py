"""Agreements: how far two explanations mark the same places; and score boards of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

import numpy as np

from metannvis_methods.results.shown import Drawn
from metannvis_methods.results.spreadsheets import csv_text, write_csv

__all__ = ["Agreement", "ScoreBoard"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Agreement(Drawn):
    """The places that two explanations mark, image by image.

    Attributes
    ----------
    scores
        Intersection over union of each sample, shape ``(N,)``; two empty ones agree.
    first, second
        Places that count, booleans of shape ``(N, places…)``.
    names
        What the two are called.
    threshold, quantile, sign
        How they were binarised: ``"quantile"`` with that share below it, ``"otsu"`` or ``"mean"``, of values, positive values
        or magnitudes.
    letters
        One letter a place: ``"HW"`` of images.
    pictures
        The inputs, shape ``(N, places…, C)``; ``None`` if they are not known.
    """

    figure: ClassVar[str] = "agreement"
    scores: Array
    first: Array
    second: Array
    names: tuple[str, str]
    threshold: str
    quantile: float
    sign: str
    letters: str
    pictures: Array | None = None

    @property
    def mean(self) -> float:
        """Mean over samples."""
        return float(self.scores.mean())

    @property
    def best(self) -> int:
        """The sample in which they agree most."""
        return int(self.scores.argmax())

    @property
    def worst(self) -> int:
        """The sample in which they agree least."""
        return int(self.scores.argmin())

    def to_csv(self, path: str | PathLike[str] | None = None, *, overwrite: bool = True) -> str:
        """A line a sample: its number and its score.

        Raises
        ------
        InvalidArgumentError, WriteError
            The file exists and ``overwrite`` is off, or it cannot be written.
        """
        rows = [(place, float(score)) for place, score in enumerate(self.scores)]
        return write_csv(csv_text(("sample", "iou"), rows), path, overwrite=overwrite)

    def __str__(self) -> str:
        how = f"{self.threshold} {self.quantile:g}" if self.threshold == "quantile" else self.threshold
        return (
            f"{self.names[0]} and {self.names[1]}: IoU {self.mean:.3f} ± {self.scores.std():.3f} ({how}, {self.sign}), "
            f"best sample {self.best} ({self.scores.max():.3f}), worst {self.worst} ({self.scores.min():.3f})"
        )

    __repr__ = __str__


@dataclass(frozen=True)
class ScoreBoard(Drawn):
    """Runs with their parameters, the one that agrees best with the target first.

    Attributes
    ----------
    rows
        One a run: ``run``, ``method``, ``toolset``, ``layer``, ``options`` (JSON-able); ``iou`` and ``spread``, the mean over
        samples and the standard deviation; ``seconds``, the mean a sample; ``samples``.
    threshold, quantile, sign
        As of an :class:`Agreement`.
    """

    figure: ClassVar[str] = "score_board"
    rows: tuple[Mapping[str, Any], ...]
    threshold: str
    quantile: float
    sign: str

    def to_csv(self, path: str | PathLike[str] | None = None, *, overwrite: bool = True) -> str:
        """A line a run.

        Raises
        ------
        InvalidArgumentError, WriteError
            The file exists and ``overwrite`` is off, or it cannot be written.
        """
        header = ("run", "method", "toolset", "layer", "options", "iou", "spread", "seconds", "samples")
        rows = [[_written(row[name]) for name in header] for row in self.rows]
        return write_csv(csv_text(header, rows), path, overwrite=overwrite)

    def __str__(self) -> str:
        names = [str(row["run"]) for row in self.rows]
        width = max(map(len, names), default=3)
        lines = [f"{'run':{width}}  {'IoU':>15}  {'s a sample':>10}  parameters"]
        for name, row in zip(names, self.rows, strict=True):
            about = [row["method"], row["toolset"], *([row["layer"]] if row["layer"] else [])]
            about += [f"{option}={value}" for option, value in row["options"].items()]
            score = f"{row['iou']:.3f} ± {row['spread']:.3f}"
            lines.append(f"{name:{width}}  {score:>15}  {row['seconds']:10.4f}  {', '.join(map(str, about))}")
        return "\n".join(lines)

    __repr__ = __str__


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={item}" for name, item in value.items())
    return "" if value is None else value
