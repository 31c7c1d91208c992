"""Dissections: which concept each unit of a network stands for."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from metannvis_translate.writing import replacing_folder

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError, WriteError, near_misses
from metannvis_methods.results.enlarge import enlarged
from metannvis_methods.results.shown import Result
from metannvis_methods.results.spreadsheets import csv_text

__all__ = ["Dissection", "DissectionComparison"]

Array = np.ndarray[Any, Any]
NONE = -1


@dataclass(frozen=True, repr=False)
class Dissection(Result):
    """Units of layers with their concepts; a row is a unit, all units of the first layer first.

    Attributes
    ----------
    layers
        Names, in the caller's terms.
    layer, unit
        Of each row, the place of its layer in ``layers`` and which unit of it, shape ``(rows,)``.
    concepts, categories
        Names of the concepts, and which category each belongs to.
    scores
        Shape ``(rows, concepts)``, float64: intersection over union of the unit's masks and the concept's, or their similarity.
    measure
        ``"iou"`` or ``"similarity"``.
    threshold
        Score from which a unit is a detector of its concept; ``None``: every unit is one.
    activation_thresholds
        What activations of a unit are above in the given share of all places, shape ``(rows,)``.
    top_images, top_values
        Images that drive each unit most, the strongest first, and by how much, shape ``(rows, count)``.
    maps
        By layer, what its units return for those, shape ``(units, count, h, w)``.
    thumbnails, thumbnail_images
        Some of these images, shape ``(T, h, w, 3)``, uint8, and which they are, shape ``(T,)``.
    image_names
        Of all images, if they were files.
    framework
        Key of the framework of the model.
    configuration
        What the run was, in plain form.
    seconds
        What it took.
    """

    layers: tuple[str, ...]
    layer: Array
    unit: Array
    concepts: tuple[str, ...]
    categories: tuple[str, ...]
    scores: Array
    measure: str
    threshold: float | None
    activation_thresholds: Array
    top_images: Array
    top_values: Array
    maps: Mapping[str, Array] = field(default_factory=dict)
    thumbnails: Array | None = None
    thumbnail_images: Array | None = None
    image_names: tuple[str, ...] = ()
    framework: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    #: Kind of the figures.
    figure: ClassVar[str] = "dissection"

    @property
    def best(self) -> Array:
        """Place of each unit's concept, shape ``(rows,)``: the first with the highest score, −1 where none overlaps at all."""
        best = self.scores.argmax(1)
        nothing = self.score <= 0 if self.measure == "iou" else np.zeros(len(best), bool)
        return np.where(nothing, NONE, best)

    @property
    def score(self) -> Array:
        """Score of each unit's concept, shape ``(rows,)``."""
        found: Array = self.scores.max(1)
        return found

    @property
    def detects(self) -> Array:
        """Whether each unit is a detector of its concept, shape ``(rows,)``."""
        found: Array = self.best != NONE
        return found if self.threshold is None else found & (self.score >= self.threshold)

    def concept_of(self, layer: str, unit: int) -> str:
        """Name of a unit's concept; empty if it has none."""
        row = self.row_of(layer, unit)
        return "" if self.best[row] == NONE else self.concepts[self.best[row]]

    def row_of(self, layer: str, unit: int) -> int:
        """Row of a unit.

        Raises
        ------
        UnknownLayerError, InvalidArgumentError
            There is no such layer, or no such unit of it.
        """
        rows = self._rows(layer)
        if not 0 <= unit < len(rows):
            raise InvalidArgumentError(f"layer {layer!r} has {len(rows)} units, and no unit {unit}")
        return int(rows[unit])

    def _rows(self, layer: str | None) -> Array:
        if layer is None:
            return np.arange(len(self.layer))
        if layer not in self.layers:
            raise UnknownLayerError(layer, self.layers)
        return np.flatnonzero(self.layer == self.layers.index(layer))

    def histogram(self, layer: str | None = None) -> dict[str, int]:
        """Number of detectors of each concept, the most first, of one layer or of all; concepts without any are left out."""
        rows = self._rows(layer)
        counts = Counter(int(self.best[row]) for row in rows[self.detects[rows]])
        return {self.concepts[k]: n for k, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}

    def top_concepts(self, count: int = 10, layer: str | None = None) -> dict[str, float]:
        """Concepts that are detected best, each with the score of its best detector, the highest first.

        Parameters
        ----------
        count
            How many, at most.
        layer
            Of its units alone.
        """
        found: dict[str, float] = {}
        rows = self._rows(layer)
        for row in rows[self.detects[rows]]:
            name = self.concepts[self.best[row]]
            found[name] = max(found.get(name, -np.inf), float(self.score[row]))
        return dict(sorted(found.items(), key=lambda item: -item[1])[:count])

    def neurons(self, concept: str) -> tuple[tuple[str, int, float], ...]:
        """Detectors of a concept: layer, unit and score, the best first.

        Raises
        ------
        InvalidArgumentError
            There is no such concept.
        """
        if concept not in self.concepts:
            close = near_misses(concept, self.concepts)
            raise InvalidArgumentError(
                f"there is no concept {concept!r}" + (f"; close: {', '.join(close)}" if close else "")
            )
        rows = np.flatnonzero(self.detects & (self.best == self.concepts.index(concept)))
        rows = rows[np.argsort(-self.score[rows], kind="stable")]
        return tuple((self.layers[self.layer[k]], int(self.unit[k]), float(self.score[k])) for k in rows)

    def region(self, layer: str, unit: int, place: int, size: tuple[int, int]) -> Array:
        """Where a unit is on in one of the images that drive it most: above its threshold, enlarged bilinearly.

        Parameters
        ----------
        layer, unit
            Which unit.
        place
            Which of those images, from 0, the strongest.
        size
            Height and width to enlarge to.

        Returns
        -------
        numpy.ndarray
            True and false, shape ``size``.
        """
        row = self.row_of(layer, unit)
        on: Array = enlarged(self.maps[layer][unit, place], size) > self.activation_thresholds[row]
        return on

    def thumbnail(self, image: int) -> Array | None:
        """An image as people see it, shape ``(h, w, 3)``, uint8; ``None`` if the result does not hold it."""
        if self.thumbnails is None or self.thumbnail_images is None:
            return None
        places = np.flatnonzero(self.thumbnail_images == image)
        return self.thumbnails[places[0]] if len(places) else None

    def duplicates(self, layer: str | None = None) -> dict[str, tuple[tuple[str, int], ...]]:
        """Concepts that several units of one layer detect, with those units."""
        found: dict[str, tuple[tuple[str, int], ...]] = {}
        for name in self.layers if layer is None else (layer,):
            rows = self._rows(name)
            rows = rows[self.detects[rows]]
            for concept in np.unique(self.best[rows]):
                units = [(name, int(self.unit[row])) for row in rows if self.best[row] == concept]
                if len(units) > 1:
                    found[self.concepts[concept]] = (*found.get(self.concepts[concept], ()), *units)
        return found

    def table(self) -> list[dict[str, Any]]:
        """A dict a unit: layer, unit, concept, category, score and whether it is a detector."""
        best, score, detects = self.best, self.score, self.detects
        return [
            {
                "layer": self.layers[self.layer[k]],
                "unit": int(self.unit[k]),
                "concept": "" if best[k] == NONE else self.concepts[best[k]],
                "category": "" if best[k] == NONE else self.categories[best[k]],
                self.measure: float(score[k]),
                "detector": bool(detects[k]),
            }
            for k in range(len(best))
        ]

    def to_csv(self) -> str:
        """The table as CSV; cells that a spreadsheet would compute begin with an apostrophe."""
        header = ("layer", "unit", "concept", "category", self.measure, "detector")
        return csv_text(header, [tuple(row.values()) for row in self.table()])

    def write(self, folder: str | PathLike[str], name: str = "dissection") -> Path:
        """Write ``descriptions.csv``, ``configuration.json`` and ``dissection.npz`` into a new folder named by time.

        Parameters
        ----------
        folder
            In which the dated folder is made.
        name
            What it is called behind the time.

        Returns
        -------
        pathlib.Path
            The dated folder, ``2026-01-31_12-00-00_name``.

        Raises
        ------
        WriteError
            It cannot be written.
        """
        parent = Path(folder)
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(error, parent) from error
        now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
        stem = f"{now}_{name}" if name else now
        path, number = parent / stem, 2
        while path.exists():
            path, number = parent / f"{stem}_{number}", number + 1
        with replacing_folder(path) as new:
            new.mkdir(exist_ok=True)
            (new / "descriptions.csv").write_text(self.to_csv(), encoding="utf-8")
            text = json.dumps(self.configuration, indent=2, ensure_ascii=False)
            (new / "configuration.json").write_text(text, encoding="utf-8")
            self.save(new / "dissection.npz")
        return path

    def compare(self, other: Dissection, names: tuple[str, str] = ("first", "second")) -> DissectionComparison:
        """Concepts that both networks detect, and those that one alone does.

        Parameters
        ----------
        other
            Of the other network.
        names
            What the two are called.
        """
        counts = [d.histogram() for d in (self, other)]
        every = sorted({*counts[0], *counts[1]}, key=lambda name: (-sum(c.get(name, 0) for c in counts), name))
        numbers = np.array([[c.get(name, 0) for c in counts] for name in every], np.int64).reshape(len(every), 2)
        return DissectionComparison(
            names, tuple(every), numbers, np.array([int(d.detects.sum()) for d in (self, other)])
        )

    def __str__(self) -> str:
        units, found = len(self.unit), int(self.detects.sum())
        return (
            f"dissection of {', '.join(self.layers)}: {found} of {units} units detect {len(self.histogram())} concepts"
        )

    __repr__ = __str__

    def rows(self) -> list[tuple[str, object]]:
        """Units and concepts a layer, and the concepts of most units."""
        found: list[tuple[str, object]] = [("model", self.framework), ("measure", self.measure)]
        for name in self.layers:
            rows = self._rows(name)
            found.append(
                (
                    name,
                    f"{int(self.detects[rows].sum())} of {len(rows)} units detect {len(self.histogram(name))} concepts",
                )
            )
        most = list(self.histogram().items())[:8]
        found.append(("most units", ", ".join(f"{name} ({count})" for name, count in most) or "none"))
        found.append(("seconds", f"{self.seconds:.1f}"))
        return found


@dataclass(frozen=True, repr=False)
class DissectionComparison(Result):
    """Concepts of two networks.

    Attributes
    ----------
    names
        What the two are called.
    concepts
        That one of them detects at least, those of most units first.
    counts
        Detectors of each concept in each network, shape ``(concepts, 2)``.
    detectors
        Number of detectors of each network, shape ``(2,)``.
    """

    names: tuple[str, str]
    concepts: tuple[str, ...]
    counts: Array
    detectors: Array
    #: Kind of the figure.
    figure: ClassVar[str] = "dissection_comparison"

    @property
    def shared(self) -> tuple[str, ...]:
        """Concepts that both detect."""
        return tuple(name for name, row in zip(self.concepts, self.counts, strict=True) if row.all())

    def exclusive(self, which: int) -> tuple[str, ...]:
        """Concepts that one of the two (0 or 1) detects alone."""
        return tuple(
            name for name, row in zip(self.concepts, self.counts, strict=True) if row[which] and not row[1 - which]
        )

    def __str__(self) -> str:
        only = [len(self.exclusive(k)) for k in (0, 1)]
        return f"{len(self.shared)} concepts shared, {only[0]} in {self.names[0]} alone, {only[1]} in {self.names[1]} alone"

    __repr__ = __str__

    def rows(self) -> list[tuple[str, object]]:
        """Shared and exclusive concepts."""
        named = [(f"{name} alone", ", ".join(self.exclusive(k)) or "none") for k, name in enumerate(self.names)]
        return [("shared", ", ".join(self.shared) or "none"), *named]
