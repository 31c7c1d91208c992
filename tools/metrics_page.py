"""The page of metrics, made of the rows: ``python tools/metrics_page.py`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metannvis_methods import MetricSpec, list_metrics
from metannvis_methods.metrics.spec import CATEGORIES, INPUTS, NEEDS

PAGE = Path(__file__).parents[1] / "packages" / "metannvis-methods" / "docs" / "metrics.md"
HEAD = """# Metrics

Written by `python tools/metrics_page.py` from the rows; `metannvis evaluate --list` names them too. How they are used:
[is it right?](evaluating.md)

A metric of a library has the library's name in front (`quantus:sparseness`): its numbers are that library's, by its defaults, and stand
in a column of their own. All run on models of every framework: what is handed to a library asks the model for predictions, and is no
model. *Better* says which direction is.
"""
TITLES = {
    "faithfulness": "Faithfulness: does the output follow what the map says?",
    "robustness": "Robustness: does the map stay when the input hardly changes?",
    "complexity": "Complexity: how much has to be looked at?",
    "localization": "Localization: does the map lie where the object is?",
    "randomization": "Randomization: does the map change when what was learnt is gone?",
    "time": "Time",
}
#: What is to be known of all metrics of a category.
DRAWBACKS = {
    "robustness": """None of these tells a map from its opposite: each is a norm of a change of the map, divided by a norm of the map or by what the map is
no part of, and since ‖−v‖ = ‖v‖ for every norm, S(−φ) = ‖−φ(x + d) + φ(x)‖ / ‖−φ(x)‖ = S(φ). Lower is better among maps that other
metrics find right; the right map lies before a random one, and ties exactly with the inverted one, which the tests of planted maps
hold to the last bit.
""",
}


def page() -> str:
    """The page as text."""
    parts = [HEAD]
    for category in CATEGORIES:
        rows = list_metrics(category=category)
        parts.append(f"## {TITLES[category]}\n")
        if category in DRAWBACKS:
            parts.append(DRAWBACKS[category])
        head = ("metric", "better", "what it is", "needs", "several inputs", "source")
        parts.append(_table(head, [_cells(row) for row in rows]))
    parts.append("## Parameters\n")
    cells = [
        (f"`{row.name}`", f"`{p.name}`", f"`{p.default!r}`", p.summary, p.source)
        for row in list_metrics()
        for p in row.parameters
    ]
    parts.append(_table(("metric", "parameter", "default", "what it is", "where the default is from"), cells))
    parts.append("## Needs\n")
    parts.append(_table(("need", "what it is"), [(name, text) for name, text in NEEDS.items()]))
    parts.append("## Several inputs\n")
    parts.append(_table(("word", "what a metric is of where a model has several inputs"), list(INPUTS.items())))
    return "\n".join(parts)


def _cells(row: MetricSpec) -> Sequence[str]:
    needs = [*row.needs, *([f"images ({row.axes})"] if row.axes else [])]
    better = {"higher": "higher ↑", "lower": "lower ↓", "": "-"}[row.direction]
    return (f"`{row.name}`", better, row.summary, ", ".join(needs) or "-", row.inputs, row.reference or "-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
