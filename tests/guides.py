"""Blocks of code of the documentation, and what runs them as a reader would: in order, in one folder."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "packages/metannvis-methods/examples"
#: READMEs and guides of the packages. The README of the repository stands on what the demo writes, and has a test of its own.
PAGES = tuple(sorted([*ROOT.glob("packages/*/README.md"), *ROOT.glob("packages/*/docs/*.md")]))
#: What a line of a shell may begin with that is not run: it changes the reader's environment.
SETTING_UP = (
    "pip install",
    "pip uninstall",
    "python3 -m venv",
    ". .venv",
    "export ",
    "python -m",
    "python tools/",
    "python packages/",
    "pytest ",
    "tox ",
    "metannvis demo",
)


@dataclass(frozen=True)
class Block:
    """A block of code, and where it begins."""

    language: str
    code: str
    line: int


def name_of(page: Path) -> str:
    """A page's path below the packages."""
    return page.relative_to(ROOT / "packages").as_posix()


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def needs(page: Path) -> tuple[str, ...]:
    """Packages that a page needs and ours do not: ``<!-- needs timm, torchvision -->``."""
    found = re.match(r"<!-- needs (.+?) -->", page.read_text(encoding="utf-8"))
    return tuple(re.split(r",\s*", found[1])) if found else ()


def is_run(page: Path) -> bool:
    """Whether there is something to run on a page."""
    return any(block.language == "python" or commands(block) for block in blocks(page))


def commands(block: Block) -> list[list[str]]:
    """Arguments of each call of ``metannvis`` in a block for a shell."""
    if block.language != "sh":
        return []
    found = []
    for line in re.sub(r"\\\n\s*", "", block.code).splitlines():
        if line.startswith("metannvis ") and not line.startswith(SETTING_UP):
            found.append(shlex.split(line, comments=True)[1:])
        else:
            assert not line or line.startswith(("#", *SETTING_UP)), f"nothing runs this line: {line}"
    return found


def run_page(page: Path, folder: Path, instead: Mapping[str, str] | None = None) -> None:
    """Run the blocks of a page in the current folder.

    Parameters
    ----------
    page
        A file of Markdown.
    folder
        The current folder, in which the files that a command writes are looked for.
    instead
        What stands in the code, and what is run in its place: weights are not downloaded.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        code = block.code
        for text, other in (instead or {}).items():
            code = code.replace(text, other)
        if block.language == "python":
            # the lines of an error are those of the page
            exec(compile("\n" * (block.line - 1) + code, str(page), "exec"), names)  # noqa: S102
        for arguments in commands(block):
            run_command(arguments, folder)


def run_command(arguments: list[str], folder: Path) -> None:
    """A call of the command line, in this process; every ``--output`` is there afterwards."""
    from click.testing import CliRunner
    from metannvis_cli.main import cli

    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, f"metannvis {shlex.join(arguments)}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    for option, value in pairwise(arguments):
        if option == "--output":
            assert (folder / value).stat().st_size > 0


def run_script(script: str, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script of the examples in this process, from the current folder."""
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments.split()])
    monkeypatch.syspath_prepend(EXAMPLES)
    for name in [path.stem for path in EXAMPLES.glob("*.py")]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")


def short_demo(folder: Path) -> None:
    """What the demo makes, in less time: worse networks."""
    metannvis = Path(sys.executable).with_name("metannvis")
    done = subprocess.run(
        [metannvis, "demo", "--epochs", "4"],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
