"""The pages of the experiments: one each, with the text above it, the tables of a full run, and figures that are there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from metannvis_methods.experiments import EXPERIMENTS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("experiments_page", ROOT / "tools" / "experiments_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their names
    spec.loader.exec_module(module)
    return module


def test_every_experiment_has_a_page(generator: ModuleType) -> None:
    assert set(generator.PAGES) == set(EXPERIMENTS)
    assert {page.stem for page in generator.DOCS.glob("*.md")} == set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_page_has_its_text_tables_and_figures(name: str, generator: ModuleType) -> None:
    text = (generator.DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(generator.text_of(name)), f"run python tools/experiments_page.py {name}"
    assert "## What came out" in text and text.count("\n| --- ") >= 1
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert shown == [f"{figure}.png" for figure in generator.PAGES[name].figures]
    assert all((generator.DOCS / figure).stat().st_size > 1000 for figure in shown)


def test_a_page_is_made_of_a_summary(generator: ModuleType) -> None:
    rows = [
        {"trained in": "Keras", "method": "a|b", "share": 0.25},
        {"trained in": "Keras", "method": "c", "share": None},
    ]
    tables = {table: {"title": "T", "rows": []} for table in generator.PAGES["depth"].tables}
    tables["depth"] = {"title": "Shares", "rows": rows}
    page = generator.page("depth", {"seed": 7, "summary": ["one", "two"], "tables": tables})
    assert "--seed 7`" in page and "```text\none\ntwo\n```" in page
    assert (
        "## Shares\n\n| trained in | method | share |\n| --- | --- | --- |\n| Keras | a\\|b | 0.25 |\n| Keras | c | – |\n"
        in page
    )
