"""The page of methods in pictures: every picture is one that its code draws. That the code runs is among the guides' tests."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

ROOT = Path(__file__).parents[1]


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("pictures_page", ROOT / "tools/pictures_page.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


TOOL = load_tool()
TEXT = TOOL.PAGE.read_text(encoding="utf-8")
FAMILIES = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_family_has_a_section() -> None:
    assert len(FAMILIES) == 11
    assert len(TOOL.shown(TEXT)) == 11


@pytest.mark.parametrize("title", FAMILIES)
def test_a_family(title: str) -> None:
    """The call, the picture that it writes, and how to read it."""
    code, after = section(title).split("```python\n")[1].split("```\n")
    (picture,) = TOOL.shown(after)
    assert f'path="{Path(picture).name}"' in code
    assert "explain(" in code
    pixels = imread(TOOL.PAGE.parent / picture)
    assert min(pixels.shape[:2]) > 300
    assert pixels.std() > 0.02
    read = after.split(")\n", 1)[1].strip()
    assert read.count(". ") + 1 >= 2, "how to read it, and a drawback"


def test_pictures_are_those_of_the_page_and_small() -> None:
    files = sorted((TOOL.PAGE.parent / "pictures").iterdir())
    assert [file.name for file in files] == sorted(Path(path).name for path in TOOL.shown(TEXT))
    assert sum(file.stat().st_size for file in files) < 1_000_000
