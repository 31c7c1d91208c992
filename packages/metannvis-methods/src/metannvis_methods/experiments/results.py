"""Results of experiments: tables of figures, pictures, and what they say in a few lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from metannvis_translate.writing import replacing

from metannvis_methods.results.plain import jsonable
from metannvis_methods.results.spreadsheets import csv_text

__all__ = ["ExperimentResult", "Picture", "Table"]


@dataclass(frozen=True)
class Table:
    """Figures, a row each.

    Attributes
    ----------
    name
        Under which it is written: ``name.csv``.
    title
        One line.
    header
        Names of the columns.
    rows
        Cells: text, numbers, true, false or ``None``, as many as there are columns.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_csv(self) -> str:
        """Comma-separated values, numbers in full; text that a spreadsheet would take for a formula gets an apostrophe."""
        return csv_text(self.header, self.rows)

    def to_markdown(self) -> str:
        """A table as documentation has it, numbers to three digits."""
        lines = [self.header, ["---"] * len(self.header), *(map(shown, row) for row in self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Rows by the names of the columns."""
        return [dict(zip(self.header, map(_plain, row), strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Picture:
    """What a figure is made of.

    Attributes
    ----------
    name
        Under which it is written: ``name.png``.
    title
        What stands above it, and for whom it does not see it.
    kind
        ``"grid"``: explanations by name, side by side; ``"channels"``: one explanation of a layer, some of its channels;
        ``"comparison"``: one comparison of toolkits; ``"images"``: maps by name, shape ``(N, H, W)`` each; ``"bars"``: a number
        by name; ``"lines"``: several numbers by name, over ``steps``.
    content
        By name.
    steps
        Names of the places on the axis of ``"lines"``.
    options
        For the figure.
    """

    name: str
    title: str
    kind: Literal["grid", "channels", "comparison", "images", "bars", "lines"]
    content: Mapping[str, Any]
    steps: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentResult:
    """What came out of an experiment.

    Attributes
    ----------
    experiment, seed, size
        What was run.
    tables, pictures
        Figures, and what to draw.
    summary
        Lines for people.
    seconds
        What it took.
    """

    experiment: str
    seed: int
    size: str
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    summary: tuple[str, ...]
    seconds: float = 0.0

    def table(self, name: str) -> Table:
        """The table of a name."""
        return next(table for table in self.tables if table.name == name)

    def to_dict(self) -> dict[str, Any]:
        """What machines read: all but the pictures."""
        return {
            "experiment": self.experiment,
            "seed": self.seed,
            "size": self.size,
            "seconds": round(self.seconds, 1),
            "summary": list(self.summary),
            "tables": {table.name: {"title": table.title, "rows": table.to_dicts()} for table in self.tables},
        }

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write a CSV file a table and ``summary.json`` into a folder that is there; the paths.

        Raises
        ------
        WriteError
            A file cannot be written.
        """
        texts = {f"{table.name}.csv": table.to_csv() for table in self.tables}
        texts["summary.json"] = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        written = []
        for name, text in texts.items():
            with replacing(folder / name) as new:
                new.write_text(text, encoding="utf-8")
            written.append(folder / name)
        return tuple(written)


def shown(cell: Any) -> str:
    """A cell as people read it: ``–`` for nothing, numbers to three digits."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.1e}" if cell and abs(cell) < 1e-3 else f"{cell:.3g}"
    return str(cell).replace("|", "\\|")


def _plain(cell: Any) -> Any:
    """A cell as JSON has it, which has neither NaN nor infinities."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else jsonable(cell)
