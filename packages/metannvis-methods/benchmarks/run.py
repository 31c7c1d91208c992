"""What calls cost: time beside the bare toolkit, memory of bounded methods; writes ``docs/benchmarks.md``.

Every case runs in a process of its own, both sides of a ratio turn by turn or one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import calls  # noqa: E402
import memory  # noqa: E402

PAGE = HERE.parent / "docs" / "benchmarks.md"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}


def run(script: str, *arguments: str) -> dict[str, Any]:
    """What a script prints last, as JSON."""
    command = [sys.executable, str(HERE / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD}, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---", *["--:"] * (len(head) - 1)], *rows])


def cost(count: int) -> str:
    rows = []
    for case in calls.CASES:
        found = run("calls.py", case, "--count", str(count))
        more = f"{1000 * found['more']:.1f}"
        rows.append(
            [case, f"{1000 * found['bare']:.1f}", f"{1000 * found['explain']:.1f}", more, f"{found['ratio']:.3f}"]
        )
        print(rows[-1], flush=True)
    return table(["network, method", "toolkit, ms", "explain, ms", "more, ms", "ratio"], rows)


def peaks(steps: int | None) -> str:
    more = () if steps is None else ("--count", str(steps))
    one = run("memory.py", "pass")["megabytes"]
    rows = []
    for method in memory.METHODS:
        ours, theirs = (run("memory.py", who, method, *more) for who in ("ours", "theirs"))
        megabytes, seconds = ours["megabytes"], ours["seconds"] / theirs["seconds"]
        rows.append([method, f"{megabytes:.0f}", f"{megabytes / one:.2f}", f"{seconds:.2f}"])
        print(rows[-1], flush=True)
    return table(["method", "peak, MB", f"of a pass of 4 ({one:.0f} MB)", "time, of the toolkit's"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=15, help="turns of each case")
    parser.add_argument(
        "--steps", type=int, help="steps and draws of the methods whose memory is measured, where fewer do"
    )
    arguments = parser.parse_args()
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "captum", "tensorflow", "keras", "tf-keras-vis")
    )
    PAGE.write_text(
        "# What a call costs\n\n"
        f"Measured on {date.today().isoformat()} by `tox -e benchmarks`, one thread, {platform.machine()}, {packages}. Medians "
        f"of {arguments.count} turns of both; translations are cached, a native twin of equal weights is the other side.\n\n"
        f"{cost(arguments.count)}\n\n"
        "## Memory of bounded methods\n\n"
        "Peak above the loaded ResNet-50, 224 × 224, `batch_size=4`, a process each.\n\n"
        f"{peaks(arguments.steps)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
