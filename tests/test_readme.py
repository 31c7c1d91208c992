"""The README's commands and examples run, in order, on what the demo writes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.guides import ROOT, blocks, commands, run_command, short_demo

BLOCKS = blocks(ROOT / "README.md")
COMMANDS = [arguments for block in BLOCKS for arguments in commands(block)]
EXAMPLES = [block.code for block in BLOCKS if block.language == "python"]


METANNVIS = Path(sys.executable).with_name("metannvis")


@pytest.fixture
def folder(once, tmp_path, monkeypatch, way) -> Path:
    """The current folder, in which the demo was run: shortened, or as a user runs it."""
    make = short_demo if way == "here" else lambda made: apart(METANNVIS, "demo", cwd=made)
    demo = once(f"readme-{way}", make)
    copy = shutil.copytree(demo, tmp_path / "readme")
    monkeypatch.chdir(copy)
    return copy


def apart(*command: str | Path, cwd: Path) -> None:
    """In a process of its own, as a user runs it: most of its time goes into loading both frameworks."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_there_are_commands_and_examples():
    assert len(COMMANDS) >= 5
    assert len(EXAMPLES) >= 2


here_or_apart = pytest.mark.parametrize("way", ["here", pytest.param("apart", marks=pytest.mark.full)])


@here_or_apart
def test_the_commands(folder, way):
    for arguments in COMMANDS:
        if way == "here":
            run_command(arguments, folder)
        else:
            apart(METANNVIS, *arguments, cwd=folder)
        for option, value in pairwise(arguments):
            if option == "--output":
                assert (folder / value).stat().st_size > 0


@pytest.mark.filterwarnings("default")  # the README's own call leaves a layer open, which warns
@here_or_apart
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example(folder, example, way):
    if way == "here":
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102
    else:
        apart(sys.executable, "-c", example, cwd=folder)
