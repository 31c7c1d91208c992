"""A process in which a writer meets what can happen to it: ``python writer_child.py ROW PHASE FOLDER``.

``failures``: full disks and missing rights, one after another; says how each ended, as JSON.
``open``, ``sync``, ``rename``: ends itself by SIGKILL when the writer comes to that point.
``loop``: writes until somebody ends it. Logs the digest of each whole file before it gets its name.
``read``: opens what lies there and compares it with both versions.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .writer_rows import ROWS, Row, weights

NOBODY = 65534


def snapshot(folder: Path) -> dict[str, str]:
    """Name and digest of all that lies in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): digest(path) for path in files}


def digest(path: Path) -> str:
    if path.is_dir():
        return hashlib.sha256(json.dumps(snapshot(path)).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def failures(row: Row, folder: Path) -> list[dict[str, Any]]:
    write = row.make()
    target = folder / row.name
    write(target, 0)
    largest = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    results = []

    def attempt(case: str, around: Callable[[], Any], target: Path = target) -> None:
        before = snapshot(target.parent)
        said: dict[str, Any] = {"case": case, "error": None, "message": "", "kinds": []}
        with around():
            try:
                write(target, 1)
            except Exception as error:  # noqa: BLE001  # any of them is what the test is about
                kinds = [kind.__name__ for kind in type(error).__mro__]
                said |= {"error": kinds[0], "message": str(error), "kinds": kinds, "file": str(target)}
        results.append(said | {"unchanged": snapshot(target.parent) == before})

    for share in (0.0, 0.3, 0.9):
        attempt("file too large", lambda share=share: limited(int(largest * share)))
    attempt("no rights", lambda: without_rights(folder))
    full = folder.parent / "full"
    if full.is_mount():  # a small file system of its own
        write(full / row.name, 0)
        for share in (0.0, 0.3, 0.9):
            attempt("disk full", lambda share=share: filled(full, int(largest * share)), full / row.name)
    write(target, 1)  # what failed before does not stand in the way
    row.read(target)
    return results


@contextmanager
def limited(size: int) -> Iterator[None]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@contextmanager
def filled(folder: Path, room: int) -> Iterator[None]:
    filler = folder / ".filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - room))
    try:
        yield
    finally:
        filler.unlink()


def killed_at(point: str, row: Row, folder: Path) -> None:
    write = row.make()
    write(folder / "warm" / row.name, 0)
    if point == "sync":
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
    else:
        at_places(point, lambda new: os.kill(os.getpid(), signal.SIGKILL))
    write(folder / "work" / row.name, 1)


def at_places(point: str, do: Callable[[Path], Any]) -> None:
    """Call back when a hidden file is opened by its writer, or is about to get its name."""
    from metannvis_translate.writing import exchange

    at_once = exchange._at_once

    def seen(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and point == "open" and isinstance(arguments[0], str):
            path, mode = Path(arguments[0]), arguments[1]
            if path.name.startswith(".") and "~tmp" in path.name and mode is not None and "w" in mode:
                do(path)
        if event in ("os.rename", "os.link") and point == "rename" and "~tmp" in str(arguments[0]):
            do(Path(arguments[0]))

    def exchanging(new: Path, old: Path) -> bool:
        if point in ("open", "rename"):
            do(new)
        return at_once(new, old)

    exchange._at_once = exchanging
    sys.addaudithook(seen)


def loop(row: Row, folder: Path) -> None:
    write = row.make()
    with (folder / "log").open("a", buffering=1) as log:
        at_places("rename", lambda new: log.write(f"{digest(new)}\n"))
        version = 0
        while True:
            version = 1 - version
            write(folder / "work" / row.name, version)
            say("written")


def read(row: Row, folder: Path) -> None:
    held = row.read(folder / "work" / row.name)
    assert held is None or any(np.array_equal(held, weights(version)) for version in range(2))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    name, phase, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    row = ROWS[name]
    if phase == "failures":
        say("RESULT " + json.dumps(failures(row, folder)))
    elif phase == "loop":
        loop(row, folder)
    elif phase == "read":
        read(row, folder)
    else:
        killed_at(phase, row, folder)


if __name__ == "__main__":
    main()
