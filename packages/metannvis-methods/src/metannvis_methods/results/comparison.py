"""A comparison of explanations of one model by several toolkits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.shown import Drawn

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison(Drawn):
    """The same method of several toolsets on the same inputs.

    Attributes
    ----------
    explanations
        One a toolset, as the toolkits gave them.
    rows
        One a pair, all figures of the worst sample: ``a``, ``b`` (toolsets), ``max_rel`` = max|a − b| /
        max|b|, ``rel_l2`` = ‖a − b‖ / ‖b‖, ``cosine``, ``spearman`` (rank correlation), ``iou`` (of the tenth of the places
        with the largest magnitude), and of images ``ssim`` (structural similarity).
    aligned
        Whether the toolkits' differing defaults were made the same.
    method
        Key asked for.
    notes
        What was done to make the maps comparable, or which options explain that they are apart.
    """

    explanations: tuple[Explanation, ...]
    rows: tuple[Mapping[str, Any], ...]
    aligned: bool
    method: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = "options aligned" if self.aligned else "each toolkit's own defaults"
        lines = [f"{self.method}, {how} (worst sample)"]
        names = [f"{row['a']} − {row['b']}" for row in self.rows]
        width = max(map(len, names), default=0)
        head = (f"{name:>9}" for name in ("max rel", "rel L2", "cosine", "Spearman", "SSIM", "IoU top"))
        lines.append(f"  {'':{width}}  " + "  ".join(head))
        for name, row in zip(names, self.rows, strict=True):
            lines.append(
                f"  {name:{width}}  {row['max_rel']:9.2e}  {row['rel_l2']:9.2e}"
                f"  {row['cosine']:9.6f}  {row['spearman']:9.6f}  {_figure(row.get('ssim'))}  {_figure(row.get('iou'))}"
            )
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain, JSON-able values; ``None`` where one map is all zero, so that no ratio exists."""
        return {
            "method": self.method,
            "aligned": self.aligned,
            "toolsets": [e.toolset for e in self.explanations],
            "rows": [
                {name: None if value in (math.inf, -math.inf) else value for name, value in row.items()}
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def _figure(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.6f}"
