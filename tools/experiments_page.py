"""The pages of the experiments, with what came out: ``python tools/experiments_page.py [NAME …]`` runs them and writes the pages.

Each runs in a process of its own, as ``metannvis evaluate NAME --output build/experiments/NAME``; ``--results FOLDER`` takes what
stands in ``FOLDER/NAME`` already.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metannvis_methods.experiments import Table

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "packages" / "metannvis-methods" / "docs" / "experiments"
BUILD = ROOT / "build" / "experiments"
SECTIONS = Path(__file__).with_name("experiments_text")


@dataclass(frozen=True)
class Page:
    """A page: which tables and which figures of a result it shows, in that order."""

    tables: tuple[str, ...]
    figures: tuple[str, ...] = ()


PAGES: dict[str, Page] = {
    "clever-hans": Page(
        ("clever-hans-networks", "clever-hans", "clever-hans-causes", "clever-hans-excluded"),
        (
            "clever-hans-keras-captum",
            "clever-hans-torch-tf-keras-vis",
            "clever-hans-keras-channels",
            "clever-hans-keras-ranking",
        ),
    ),
    "toolsets": Page(
        ("toolsets", "toolsets-options"),
        ("toolsets-torch-grad-cam-default", "toolsets-torch-grad-cam-aligned", "toolsets-keras-saliency-default"),
    ),
    "sanity": Page(("sanity", "sanity-excluded"), ("sanity-cascade", "sanity-spearman")),
    "translation": Page(("translation",)),
    "depth": Page(("depth",), ("depth-layers", "depth-torch")),
    "ground-truth": Page(("ground-truth", "ground-truth-patch", "ground-truth-without")),
}


def text_of(name: str) -> str:
    """What stands above the figures of an experiment: written by people."""
    return (SECTIONS / f"{name}.md").read_text(encoding="utf-8")


def page(name: str, summary: dict[str, Any]) -> str:
    """The page of an experiment, of what it wrote to ``summary.json``."""
    parts = [
        text_of(name),
        f"\nWritten by `python tools/experiments_page.py {name}` from `metannvis evaluate {name} --seed {summary['seed']}`.\n",
        "\n## What came out\n\n```text\n" + "\n".join(summary["summary"]) + "\n```\n",
    ]
    parts += [f"\n![{figure}]({figure}.png)\n" for figure in PAGES[name].figures]
    for table in PAGES[name].tables:
        told = summary["tables"][table]
        if told["rows"]:
            parts.append(f"\n## {told['title']}\n\n{as_table(table, told).to_markdown()}")
    return "".join(parts)


def as_table(name: str, told: dict[str, Any]) -> Table:
    """A table of ``summary.json``."""
    rows = told["rows"]
    return Table(name, told["title"], tuple(rows[0]), tuple(tuple(row.values()) for row in rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run experiments and write their pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PAGES, []], metavar="NAME", help=f"of {', '.join(PAGES)}; all")
    parser.add_argument(
        "--results", type=Path, help="a folder that holds a folder of each experiment, which is not run"
    )
    parser.add_argument("--seed", default="0")
    asked = parser.parse_args(arguments)
    DOCS.mkdir(parents=True, exist_ok=True)
    for name in asked.names or PAGES:
        folder = (asked.results or BUILD) / name
        if asked.results is None:
            command = ["metannvis", "evaluate", name, "--seed", asked.seed, "--overwrite", "--output", str(folder)]
            subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], check=True)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        (DOCS / f"{name}.md").write_text(page(name, summary), encoding="utf-8")
        for figure in PAGES[name].figures:
            shutil.copyfile(folder / f"{figure}.png", DOCS / f"{figure}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
