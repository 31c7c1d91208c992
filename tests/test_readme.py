"""The README's commands and examples run, in order, on what the demo writes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("metannvis ")]
EXAMPLES = blocks("python")


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def metannvis(*arguments: str, cwd: Path) -> None:
    run(Path(sys.executable).with_name("metannvis"), *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in which the demo was run."""
    made = tmp_path_factory.mktemp("readme")
    metannvis("demo", cwd=made)
    return made


def test_there_are_commands_and_examples():
    assert len(COMMANDS) >= 5
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command(folder, command):
    arguments = shlex.split(command)[1:]
    metannvis(*arguments, cwd=folder)
    for option, value in pairwise(arguments):
        if option == "--output":
            assert (folder / value).stat().st_size > 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example(folder, example):
    run(sys.executable, "-c", example, cwd=folder)
