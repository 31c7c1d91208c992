"""The README's commands and examples run, in order, on what the demo writes."""

from __future__ import annotations

import re
import shlex
import shutil
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


METANNVIS = Path(sys.executable).with_name("metannvis")


#: What the demo makes in less time: worse networks, and noise.
SHORT = ("--epochs", "4", "--steps", "3")


@pytest.fixture
def folder(once, tmp_path, monkeypatch, way) -> Path:
    """The current folder, in which the demo was run: shortened, or as a user runs it."""
    options = SHORT if way == "here" else ()
    demo = once(f"readme-{way}", lambda made: apart(METANNVIS, "demo", *options, cwd=made))
    copy = shutil.copytree(demo, tmp_path / "readme")
    monkeypatch.chdir(copy)
    return copy


def apart(*command: str | Path, cwd: Path) -> None:
    """In a process of its own, as a user runs it: most of its time goes into loading both frameworks."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def here(*arguments: str) -> None:
    """In this process."""
    from click.testing import CliRunner
    from metannvis_cli.main import cli

    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"


def test_there_are_commands_and_examples():
    assert len(COMMANDS) >= 5
    assert len(EXAMPLES) >= 2


here_or_apart = pytest.mark.parametrize("way", ["here", pytest.param("apart", marks=pytest.mark.full)])


@here_or_apart
def test_the_commands(folder, way):
    for command in COMMANDS:
        arguments = shlex.split(command)[1:]
        if way == "here":
            here(*arguments)
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
