"""The pictures of the page of methods in pictures: ``python tools/pictures_page.py`` runs the page's code and keeps what it has drawn.

A picture is kept if the page shows it, without transparency, which is half of its size.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "packages" / "metannvis-methods" / "docs" / "in_pictures.md"


def shown(page: str) -> list[str]:
    """Paths of the pictures that a page shows, relative to it, in order."""
    return re.findall(r"^!\[[^\]]+\]\(([^)]+\.png)\)$", page, re.MULTILINE)


def run(page: str) -> None:
    """Run the blocks of Python of a page, in order, in the current folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in re.finditer(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        line = page.count("\n", 0, block.start(1))  # the lines of an error are those of the page
        exec(compile("\n" * line + block[1], str(PAGE), "exec"), names)  # noqa: S102


def main() -> None:
    """Run the page, and write its pictures beside it."""
    from PIL import Image

    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run(page)
        for path in shown(page):
            target = PAGE.parent / path
            target.parent.mkdir(exist_ok=True)
            with Image.open(Path(folder) / target.name) as picture:
                picture.convert("RGB").save(target, optimize=True)


if __name__ == "__main__":
    main()
