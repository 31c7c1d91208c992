"""Model files that are opened by a process of their own, which writes down what else happened.

The process imports the frameworks, opens an honest file of the kind first, so that everything lazy is loaded, and then each
attack. An audit hook notes what Python does outside it: processes, sockets, files written. Where strace is installed, and may
trace, the same is read from the system calls, which sees what C++ does as well. Code of a file that runs leaves a canary: a file.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

MARK = "/guarded-mark/"
CALLS = "execve,execveat,socket,connect,openat,open,creat,mkdir,mkdirat,rename,renameat2,unlink,unlinkat,link,symlink"
#: Events of Python that a loader of models has no business with.
EVENTS = re.compile(
    r"subprocess\.|os\.(system|exec|posix_spawn|fork|startfile|remove|rename|mkdir|link|symlink|chmod)|socket\.|ctypes\.dlopen|shutil\."
)
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")
#: Files that threads and allocators open for writing on their own.
SYSTEM = re.compile(r'"/(dev|proc|sys)/')


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Outcome:
    """What came of one file."""

    error: str = ""
    message: str = ""
    documented: bool = False
    events: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    canary: bool = False


@cache
def tracer() -> str | None:
    """Path of strace, where it is there and may be used."""
    path = shutil.which("strace")
    if path is None:
        return None
    tried = subprocess.run([path, "-f", "-e", "trace=execve", "true"], capture_output=True, check=False)
    return path if tried.returncode == 0 else None


def open_guarded(jobs: Mapping[str, dict[str, Any]], honest: list[dict[str, Any]], folder: Path) -> None:
    """Open each job's file in a child process; :func:`outcomes_in` says what came of them.

    Parameters
    ----------
    jobs
        By name: ``path``, and for a translation ``to`` (several) and ``shapes`` of its inputs. What is no model has a
        ``reader``, ``module:function``, which is called with the path.
    honest
        Jobs of the same kinds.
    folder
        Canaries are the files ``canary-<name>`` in it.
    """
    folder.joinpath("jobs.json").write_text(json.dumps({"jobs": jobs, "honest": honest}))
    command = [sys.executable, "-m", "tests.guarded", str(folder)]
    trace = tracer()
    if trace is not None:
        command = [
            trace,
            "-f",
            "-qq",
            "-s",
            "200",
            "-e",
            f"trace={CALLS},stat,newfstatat",
            "-o",
            str(folder / "trace"),
            *command,
        ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=folder)
    results = folder / "results.json"
    assert results.exists(), f"the process ended with {done.returncode}: {done.stderr[-3000:]}"
    assert list(json.loads(results.read_text())) == list(jobs)


def outcomes_in(folder: Path) -> dict[str, Outcome]:
    """What came of each job of :func:`open_guarded`."""
    outcomes = {name: Outcome(**row) for name, row in json.loads((folder / "results.json").read_text()).items()}
    for name, calls in _calls(folder / "trace").items() if (folder / "trace").exists() else ():
        outcomes[name].calls = calls
    return outcomes


def _calls(trace: Path) -> dict[str, list[str]]:
    """System calls between the marks of each job that start something, write something or reach out."""
    found: dict[str, list[str]] = {}
    now = None
    for line in trace.read_text(errors="replace").splitlines():
        mark = re.search(MARK + r'(begin|end)/([\w.\-]+)"', line)
        if mark is not None:
            now = mark[2] if mark[1] == "begin" else None
            if now:
                found[now] = []
        elif now is None or re.search(r" = -1 E| resumed>|^\d+ +(stat|newfstatat)\(", line):
            continue
        elif "open" not in line or (WRITES.search(line) and not SYSTEM.search(line)):
            found[now].append(line)
    return found


def check(outcome: Outcome, *, refused: str | None) -> None:
    """Nothing but computing happened, and a refusal is one of the documented errors, which gives the reason."""
    assert not outcome.canary, "code of the file has run, or a file was written"
    assert not outcome.events, outcome.events
    assert not outcome.calls, outcome.calls
    if refused is None:
        assert not outcome.error, f"{outcome.error}: {outcome.message}"
        return
    assert outcome.documented, f"{outcome.error or 'nothing'}: {outcome.message}"
    assert re.search(refused, f"{outcome.error}: {outcome.message}"), f"{outcome.error}: {outcome.message}"


# --- the child --------------------------------------------------------------------------------------------------------


def main(folder: Path) -> None:
    """Open everything in ``jobs.json``; write ``results.json``."""
    import numpy as np
    from metannvis_translate import MetannvisError, UnsupportedOperatorError, load_model, translate

    plan = json.loads((folder / "jobs.json").read_text())
    noted: list[str] | None = None

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if noted is None:
            return
        if event == "open":
            name, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITING)
            if not writes or str(name).startswith("/dev/"):
                return
        elif not EVENTS.match(event):
            return
        noted.append(f"{event} {arguments!r}"[:300])

    def run(job: dict[str, Any]) -> None:
        if "reader" in job:
            module, _, function = job["reader"].partition(":")
            getattr(importlib.import_module(module), function)(Path(job["path"]))
            return
        model = load_model(job["path"])
        inputs = [np.ones(shape, "float32") for shape in job.get("shapes", ())]
        for target in job.get("to", ()):
            translate(model, target, example_inputs=inputs or None)

    for job in plan["honest"]:
        with contextlib.suppress(UnsupportedOperatorError):  # looking for a converter loads what is loaded late
            run(job)
    sys.addaudithook(hook)
    results = {}
    for name, job in plan["jobs"].items():
        outcome = Outcome()
        Path(f"{MARK}begin/{name}").exists()
        noted = []
        try:
            run(job)
        except Exception as error:  # noqa: BLE001  # the test judges it
            outcome.error, outcome.message = type(error).__name__, str(error)[:2000]
            outcome.documented = isinstance(error, MetannvisError)
        outcome.events, noted = noted, None
        Path(f"{MARK}end/{name}").exists()
        outcome.canary = (folder / f"canary-{name}").exists()
        results[name] = vars(outcome)
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
