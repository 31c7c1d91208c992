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


def cost(seconds: float) -> str:
    rows = []
    for case in calls.CASES:
        found = run("calls.py", case, "--seconds", str(seconds))
        ratios = f"{found['ratio']:.3f}", f"{found['best']:.3f}"
        more = f"{1000 * found['more']:.1f}"
        rows.append([case, f"{1000 * found['bare']:.1f}", f"{1000 * found['explain']:.1f}", more, *ratios])
        print(rows[-1], flush=True)
    return table(["network, method", "toolkit, ms", "explain, ms", "more, ms", "ratio", "of the least"], rows)


def peaks() -> str:
    one = run("memory.py", "pass")["megabytes"]
    rows = []
    for method in memory.METHODS:
        megabytes = run("memory.py", "ours", method)["megabytes"]
        times = run("memory.py", "times", method, "--count", str(memory.FEW))
        rows.append([method, f"{megabytes:.0f}", f"{megabytes / one:.2f}", f"{times['ratio']:.3f}"])
        print(rows[-1], flush=True)
    return table(["method", "peak, MB", f"of a pass of 4 ({one:.0f} MB)", "time, of the toolkit's"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=calls.SECONDS, help="for the turns of a case")
    arguments = parser.parse_args()
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "captum", "tensorflow", "keras", "tf-keras-vis")
    )
    PAGE.write_text(
        "# What a call costs\n\n"
        f"Measured on {date.today().isoformat()} by `tox -e benchmarks`, one thread, {platform.machine()}, {packages}. Time of "
        "the processor, which is that on the clock where nothing else runs: the least of each side, and the medians of the "
        "differences and of the ratios, turn by turn in one process. Translations are cached, and the other side is a native "
        f"twin of equal weights; of LIME it is the passes alone, {calls.ROWS} samples at once.\n\n"
        f"{cost(arguments.seconds)}\n\n"
        "## Memory of bounded methods\n\n"
        "Peak above the loaded ResNet-50, 224 × 224, `batch_size=4`, a process each: 200 steps of integrated gradients, 50 "
        f"draws of the next two. Times are of {memory.FEW} steps or draws.\n\n"
        f"{peaks()}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
