"""The page of methods, made of the rows: ``python tools/methods_page.py`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metannvis_methods import MethodSpec, list_methods
from metannvis_methods.registry.needs import NEEDS
from metannvis_methods.registry.table import registry

PAGE = Path(__file__).parents[1] / "packages" / "metannvis-methods" / "docs" / "methods.md"
TOOLSETS = ("captum", "tf-keras-vis")
HEAD = """# Methods

Written by `python tools/methods_page.py` from the rows; `metannvis describe METHOD` says the same of one.

Every method runs on models of every framework: *runs in* is where it runs without a translation. *Canonical* ones hook on
modules: a PyTorch model whose activations are functions, shared or in place is brought into canonical form first. *Passes* are
rows through the model for each sample, beside the prediction, *and back* where gradients are asked for; a test counts them. In
the formulas stand options of the method, `features` (groups of the feature mask, without one every element), `windows`,
`baselines` and `channels` (of the layer). *Needs* that a model or a call does not meet are told before the run. *Sanity checks*
are what is published of the method under weights drawn anew.
"""


def page() -> str:
    """The page as text."""
    parts = [HEAD]
    for toolset in TOOLSETS:
        rows = list_methods(toolset=toolset)
        parts.append(f"## {toolset}\n")
        parts.append(
            _table(
                ("method", "type", "what for", "what it does", "runs in", "passes", "needs", "sanity checks"),
                [_cells(row) for row in rows],
            )
        )
    parts.append("## Drawbacks and sources\n")
    every = [row for toolset in TOOLSETS for row in list_methods(toolset=toolset)]
    cells = [(f"`{row.key}`", row.toolset, "; ".join(row.caveats) or "-", row.reference or "-") for row in every]
    parts.append(_table(("method", "toolset", "drawback", "source"), cells))
    parts.append("## Needs\n")
    parts.append(_table(("need", "what it is"), [(f"`{name}`", text) for name, text in NEEDS.items()]))
    parts.append("## What has no row\n")
    excluded = [
        (f"`{name}`", toolset, reason)
        for toolset in TOOLSETS
        for name, reason in registry.toolset(toolset).excluded.items()
    ]
    parts.append(_table(("class", "toolset", "why"), excluded))
    return "\n".join(parts)


def _cells(row: MethodSpec) -> Sequence[str]:
    passes = row.passes.replace("*", "×").replace("factorial(features)", "features!")
    return (
        f"`{row.key}`",
        f"{row.kind.replace('_', ' ')}, {row.family}",
        row.purpose,
        row.summary,
        " or ".join(row.frameworks) + (", canonical" if row.needs_canonical else ""),
        passes + (" and back" if row.differentiates else ""),
        ", ".join(row.needs) or "-",
        row.sanity or "none published",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
