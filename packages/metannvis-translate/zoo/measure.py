"""Measure members of the zoo, each in a process of its own.

``python -m packages.metannvis-translate.zoo.measure torchvision/resnet18 'timm/*'`` measures these. Results are appended to a
JSON-lines file, one row a member; of several rows of a member the last one counts. Members whose last row passed are left out,
unless ``--again`` is given, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .members import Member


__all__ = ["apart", "measure", "read"]

SECONDS = 3600
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}


def measure(name: str, checks: list[str] | None = None) -> dict[str, Any]:
    """Every check on one member, in this process.

    Parameters
    ----------
    checks
        Names of the checks to run, of all by default; ``translated`` always runs.
    """
    if name.startswith("keras/"):
        from .keras_measure import measure as measure_keras

        return measure_keras(name, checks)
    import torch

    from .checks import CHECKS, Case, translated
    from .members import find

    torch.set_num_threads(1)
    member = find(name)
    begin = time.perf_counter()
    row: dict[str, Any] = {"name": name, "passed": False, "failures": []}
    with tempfile.TemporaryDirectory() as folder:
        try:
            model, row["rounding"] = _made(member)
            row["parameters"] = sum(p.numel() for p in model.parameters())
            case = Case(member, model, Path(folder))
            for check in CHECKS:
                if checks is None or check.__name__ in checks or check is translated:
                    row |= check(case)
                    row["failures"] = case.failures
            row["passed"] = not case.failures
        except Exception as error:  # noqa: BLE001
            # whatever a member's own code, an exporter or Keras raises is what the row has to say
            row["failures"].append(f"{type(error).__name__}: {' '.join(str(error).split())[:1500]}")
            row["traceback"] = traceback.format_exc()[-3000:]
    row["wall"] = round(time.perf_counter() - begin, 1)
    return row


def _made(member: Member) -> tuple[Any, float]:
    """The network with sane weights, and how far its own single precision is from double."""
    import torch

    from .checks import rounding
    from .randomize import SANE, WAYS, calibrate

    best: tuple[Any, float] = (None, math.inf)
    for way in WAYS:
        torch.manual_seed(0)
        model = member.make().eval()
        if member.calibrated:
            calibrate(model, lambda module: _run(module, member.inputs(4, 99)), way=way)
        own = rounding(model, member.inputs(2, 2))
        if best[0] is None or own < best[1]:
            best = model, own
        if own <= SANE or not member.calibrated:
            break
    return best


def _run(model: Any, inputs: Any) -> None:
    import torch

    def tensor(array: Any) -> Any:
        return torch.from_numpy(array)

    with torch.no_grad():
        if isinstance(inputs, dict):
            model(**{key: tensor(array) for key, array in inputs.items()})
        else:
            model(*map(tensor, inputs))


def apart(name: str, checks: list[str] | None = None, seconds: float = SECONDS) -> dict[str, Any]:
    """:func:`measure` in a process of its own, whose crash or stand-still is a failure like any other."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm"])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "row.json"
        process = context.Process(target=_write, args=(name, checks, out))
        process.start()
        begin = time.monotonic()
        while process.is_alive() and not out.exists() and time.monotonic() - begin < seconds:
            process.join(0.5)
        process.join(10)  # it may take its time to end, or never do: its row is what counts
        if process.is_alive():
            process.kill()
        if not out.exists() and process.exitcode is None:
            return {"name": name, "passed": False, "failures": [f"took more than {seconds:.0f} s"]}
        if not out.exists():
            return {"name": name, "passed": False, "failures": [f"the process ended with {process.exitcode}"]}
        return dict(json.loads(out.read_text()))


def _write(name: str, checks: list[str] | None, out: Path) -> None:
    whole = out.with_suffix(".part")
    whole.write_text(json.dumps(measure(name, checks)))
    whole.rename(out)


def read(results: Path) -> dict[str, dict[str, Any]]:
    """The last row of each member."""
    lines = results.read_text().splitlines() if results.exists() else []
    return {row["name"]: row for row in map(json.loads, lines)}


def summary(row: dict[str, Any]) -> str:
    """One line for people."""
    figures = [f"{key} {row[key]:.1e}" for key in row if key.startswith("float")]
    if "leaves" in row:
        figures.append(f"leaves {row['leaves_mapped']}/{row['leaves']}")
    if "seconds" in row:
        figures.append(f"{row['seconds']} s (export {row['export']}, passes {row['passes']}, build {row['build']})")
    lines = [f"{'passed' if row['passed'] else 'FAILED'} {row['name']}: {', '.join(figures)}"]
    return "\n".join(lines + [f"    {failure}" for failure in row["failures"]])


def main() -> None:
    """Command line."""
    from .keras_members import names as of_keras
    from .members import names

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", help="members, or patterns such as 'torchvision/*'")
    parser.add_argument("--results", type=Path, default=Path("zoo-results.jsonl"))
    parser.add_argument("--again", action="store_true", help="measure members that passed before, too")
    parser.add_argument("--checks", nargs="*", help="only these checks (after the translation)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="most seconds a member")
    parser.add_argument(
        "--here", action="store_true", help="in this process: in a fraction of the time, but a crash ends the run"
    )
    options = parser.parse_args()
    chosen = [
        name for name in (*names(), *of_keras()) if any(fnmatch.fnmatch(name, pattern) for pattern in options.names)
    ]
    if not chosen:
        parser.error(f"no member is called {' or '.join(options.names)}")
    before = {} if options.again else read(options.results)
    for name in chosen:
        if before.get(name, {}).get("passed"):
            continue
        row = measure(name, options.checks) if options.here else apart(name, options.checks, options.seconds)
        with options.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        sys.stdout.write(summary(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
