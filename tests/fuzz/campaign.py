"""Mutants by the thousand, in child processes with limits.

``python -m tests.fuzz.campaign onnx-torch --count 5000 --results fuzz.jsonl`` goes on where it was stopped; ``--seed 17`` repeats one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .judging import BAD, KINDS, judge

ROOT = Path(__file__).parents[2]

__all__ = ["run"]

#: Kind and number.
Mutant = tuple[str, int]

#: Seconds that one mutant may take, and bytes of address space of a child (both frameworks reserve most of it).
SECONDS, MEMORY = 20, 16 << 30
#: Mutants a child has before the next one, so that nothing adds up.
SHARE = 400


def run(mutants: Sequence[Mutant], folder: Path) -> Iterator[tuple[Mutant, str]]:
    """Outcomes by kind and number, from as many children as it takes; ``folder`` holds the samples."""
    left = list(mutants)
    while left:
        share, done = left[:SHARE], 0
        for mutant, outcome in _child(share, folder):
            done += 1
            yield mutant, outcome
        left = left[done:]


def _child(mutants: Sequence[Mutant], folder: Path) -> Iterator[tuple[Mutant, str]]:
    """Outcomes until the child ends, is killed for taking too long, or dies, which is the outcome of the mutant it was at."""
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--child", str(folder)]
    with (folder / "stderr").open("wb") as noise:
        # without a buffer: what lies in one is not seen by a selector
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, bufsize=0, cwd=ROOT
        )
    assert child.stdin is not None
    assert child.stdout is not None
    with child, selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        child.stdin.write((json.dumps(list(mutants)) + "\n").encode())
        child.stdin.close()
        ready = child.stdout.readline()  # it has imported everything; from now on the clock runs
        for mutant in mutants:
            if not ready or not _answers(selector, child.pid):
                if not ready or child.poll() is not None:
                    break
                child.kill()
                yield mutant, "hang"
                return
            line = child.stdout.readline()
            if not line:
                break
            yield mutant, json.loads(line)
        else:
            return
        child.wait()
        yield mutant, f"crash {child.returncode} {_last_line(folder / 'stderr')}"


def _answers(selector: selectors.BaseSelector, child: int) -> bool:
    """Whether the child says something within the time, which is the processor's: others may be busy beside it."""
    start, waited = _processor_seconds(child), 0.0
    while not selector.select(0.5):
        waited += 0.5
        if _processor_seconds(child) - start > SECONDS or waited > 15 * SECONDS:
            return False
    return True


def _processor_seconds(child: int) -> float:
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else ""


def _serve(folder: Path) -> None:
    """The child: numbers on stdin, an outcome a line on stdout."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print
    mutants = json.loads(sys.stdin.readline())
    from metannvis_translate.frameworks.requirements import require

    require("torch"), require("tensorflow"), require("onnxruntime")
    for kind in dict.fromkeys(kind for kind, _ in mutants):  # what is loaded late is loaded now
        judge(kind, 1, folder)
    print("ready", file=answers, flush=True)
    for kind, seed in mutants:
        print(json.dumps(judge(kind, seed, folder)), file=answers, flush=True)


def main() -> int:
    """Run a campaign; 1 if one of the outcomes is bad."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kinds", nargs="*", choices=[*KINDS, []], help="what is changed, and into what it is translated"
    )
    parser.add_argument("--count", type=int, default=500, help="mutants of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, help="this one alone, in this process")
    parser.add_argument(
        "--results", type=Path, help="file to which outcomes are added, and from which a campaign goes on"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        _serve(options.child)
        return 0
    from .samples import write_samples

    known: dict[tuple[str, int], str] = {}
    if options.results is not None and options.results.exists():
        for line in options.results.read_text().splitlines():
            row = json.loads(line)
            known[row["kind"], row["seed"]] = row["outcome"]
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder)
        for kind in options.kinds or KINDS:
            if options.seed is not None:
                print(kind, options.seed, judge(kind, options.seed, folder))
                continue
            seeds = range(options.first, options.first + options.count)
            outcomes = {seed: known[kind, seed] for seed in seeds if (kind, seed) in known}
            with options.results.open("a") if options.results is not None else contextlib.nullcontext() as log:
                for (_, seed), outcome in run([(kind, seed) for seed in seeds if seed not in outcomes], folder):
                    outcomes[seed] = outcome
                    if log is not None:
                        print(json.dumps({"kind": kind, "seed": seed, "outcome": outcome}), file=log, flush=True)
            failed |= _told(kind, outcomes)
    return int(failed)


def _told(kind: str, outcomes: dict[int, str]) -> bool:
    """Print the counts and every bad outcome; whether there is one."""
    counts = Counter(" ".join(outcome.split()[:2]) for outcome in outcomes.values())
    print(f"{kind}: {len(outcomes)} mutants")
    for outcome, many in counts.most_common():
        print(f"  {many:6} {outcome}")
    bad = {seed: outcome for seed, outcome in outcomes.items() if outcome.split()[0] in BAD}
    for seed, outcome in sorted(bad.items(), key=lambda item: item[1]):
        print(f"  {kind} --seed {seed}: {outcome}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
