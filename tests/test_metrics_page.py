"""The page of metrics: what is checked in is what the rows say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from metannvis_methods import list_metrics

ROOT = Path(__file__).parents[1]


def test_the_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("metrics_page", ROOT / "tools" / "metrics_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python tools/metrics_page.py"
    assert set(module.TITLES) == set(module.CATEGORIES)


def test_the_readme_counts_them() -> None:
    assert f"[{len(list_metrics())} metrics]" in (ROOT / "README.md").read_text(encoding="utf-8")
