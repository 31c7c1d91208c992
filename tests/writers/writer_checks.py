"""The checks of a writer, each with processes of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .writer_child import digest, snapshot
from .writer_rows import ROWS

__all__ = ["check_failures", "check_killed_at", "check_killed_at_random", "has_small_disks"]

ROOT = Path(__file__).parents[2]
CHILD = ("-m", "tests.writers.writer_child")
MOUNT = 'mkdir -p "$1/full" && mount -t tmpfs -o size=16m tmpfs "$1/full"'
REASONS = {
    "file too large": "larger than a file may be",
    "no rights": "no right to write",
    "disk full": "the disk is full",
}


def has_small_disks() -> bool:
    """Whether this process may mount a small file system that nobody else sees."""
    if shutil.which("unshare") is None:
        return False
    with open_folder() as folder:
        command = ["unshare", "-m", "sh", "-c", MOUNT, "-", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def check_failures(name: str) -> set[str]:
    """Full disks and missing rights: the old file is whole, nothing else is there, the message says which and why.

    Returns the kinds of failure that were tried: a full file system needs the right to mount one.
    """
    with open_folder() as folder:
        (folder / "work").mkdir()
        command = [sys.executable, *CHILD, name, "failures", str(folder / "work")]
        if has_small_disks():
            command = ["unshare", "-m", "sh", "-c", f'{MOUNT} && shift && exec "$@"', "-", str(folder), *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"{name}: exit code {done.returncode}\n{done.stderr[-3000:]}"
        line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        results = json.loads(line.removeprefix("RESULT "))
    for result in results:
        assert {"MetannvisError", "OSError"} <= set(result["kinds"]), f"{name}: {result}"
        assert result["unchanged"], f"{name}: {result}"
        assert result["file"] in result["message"], f"{name}: {result}"
        assert REASONS[result["case"]] in result["message"], f"{name}: {result}"
    return {result["case"] for result in results}


def check_killed_at(name: str, point: str) -> None:
    """SIGKILL at a point of the writing: the old file is whole, and what else is there is hidden."""
    with open_folder() as folder:
        before = old_files(name, folder)
        done = run(name, point, folder)
        assert done.returncode == -signal.SIGKILL, f"{name}: {done.returncode}\n{done.stderr[-3000:]}"
        after = seen(folder / "work")
        # data that no model names yet is no part of one; it has a name of its own
        assert {key: value for key, value in after.items() if key in before} == before, (name, point)
        assert all(key.endswith(".data") for key in after.keys() - before.keys()), (name, point, after)
        assert run(name, "read", folder).returncode == 0


def check_killed_at_random(name: str, times: int, seed: int) -> None:
    """SIGKILL at any time: what bears the name is a file that was whole before it got it, and can be read."""
    chance = random.Random(f"{name} {seed}")
    with open_folder() as folder:
        old_files(name, folder)
        whole = {digest(folder / "work" / ROWS[name].name)}
        for _ in range(times):
            command = [sys.executable, *CHILD, name, "loop", str(folder)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
                assert child.stdout is not None and child.stdout.readline() == b"written\n", name
                time.sleep(chance.uniform(0, 0.2))
                child.send_signal(signal.SIGKILL)
            whole |= set((folder / "log").read_text().split())
            assert digest(folder / "work" / ROWS[name].name) in whole, name
        done = run(name, "read", folder)
        assert done.returncode == 0, f"{name}: {done.stderr[-3000:]}"


def old_files(name: str, folder: Path) -> dict[str, str]:
    """Write the first version; what lies there then."""
    for part in ("warm", "work"):
        (folder / part).mkdir()
    code = (
        "import sys; from pathlib import Path; from tests.writers.writer_rows import ROWS\n"
        "row = ROWS[sys.argv[1]]; row.make()(Path(sys.argv[2]) / row.name, 0)"
    )
    command = [sys.executable, "-c", code, name, str(folder / "work")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return seen(folder / "work")


def seen(folder: Path) -> dict[str, str]:
    """What lies in a folder under names that are not hidden."""
    return {name: value for name, value in snapshot(folder).items() if not name.startswith(".")}


def run(name: str, phase: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command: list[Any] = [sys.executable, *CHILD, name, phase, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that every user may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
