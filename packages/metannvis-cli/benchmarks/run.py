"""What the command line costs: its help beside ``import click``, ``explain`` beside a script that does the same.

    python packages/metannvis-cli/benchmarks/run.py [--repeats 7]

Each is a process of its own, in turns, so that a busy machine slows all alike; the least of the times counts, on the clock and
on the processor. Exit code 1 if the help takes more than 5 times the import, or ``explain`` more than 1.2 times the script.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST = {"help": 5.0, "explain": 1.2}
SCRIPT = """
import numpy as np
from metannvis_methods import explain
found = explain({model!r}, "saliency", np.load({inputs!r}), target=1, toolset="captum")
found.plot(path={output!r})
"""
MODEL = """
import sys
import torch
from metannvis_translate import save_model
net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 26 * 26, 10))
save_model(net.eval(), sys.argv[1], example_inputs=torch.zeros(1, 1, 28, 28))
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock and on the processor."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compared(name: str, commands: dict[str, list[str]], repeats: int) -> bool:
    """Print the least times of two commands and their ratio; whether it is small enough."""
    for command in commands.values():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fills caches
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in commands}
    for _ in range(repeats):
        for what, command in commands.items():
            times[what].append(measured(command))
    least = {what: tuple(min(column) for column in zip(*rows, strict=True)) for what, rows in times.items()}
    for what, (wall, processor) in least.items():
        print(f"{what:<28} {wall:6.2f} s, {processor:6.2f} s on the processor")
    (wall, processor), (base_wall, base_processor) = least.values()
    ratio = wall / base_wall
    print(f"{name}: {ratio:.2f} times (on the processor {processor / base_processor:.2f}), at most {MOST[name]:g}\n")
    return ratio <= MOST[name]


def main() -> int:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    python, line = sys.executable, [sys.executable, "-m", "metannvis_cli"]
    os.environ.setdefault("MPLBACKEND", "Agg")
    with tempfile.TemporaryDirectory() as folder:
        import numpy as np

        model, inputs = str(Path(folder) / "net.pt2"), str(Path(folder) / "x.npy")
        subprocess.run([python, "-c", MODEL, model], check=True, stderr=subprocess.DEVNULL)
        np.save(inputs, np.random.default_rng(0).random((1, 1, 28, 28), np.float32))
        help_ = {"metannvis --help": [*line, "--help"], "import click": [python, "-c", "import click"]}
        words = ["explain", model, "-m", "saliency", "--toolset", "captum", "-i", inputs, "-t", "1"]
        output = str(Path(folder) / "a.png")
        script = SCRIPT.format(model=model, inputs=inputs, output=str(Path(folder) / "b.png"))
        explain = {
            "metannvis explain": [*line, *words, "--output", output, "--overwrite"],
            "explain and plot in a script": [python, "-c", script],
        }
        good = [compared("help", help_, repeats), compared("explain", explain, repeats)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
