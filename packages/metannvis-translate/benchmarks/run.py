"""Time and memory of translations and of translated models against others; writes ``docs/benchmarks.md``.

Every contender runs in a process of its own. They take turns, repetition by repetition, so that all meet the same machine;
figures are ratios. nobuco needs Keras 2 and gets an environment of its own, made by uv.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NOBUCO = (
    "nobuco==0.17.*",
    "tensorflow-addons",
    "tensorflow<2.16",
    "keras<3",
    "torch",
    "torchvision",
    "numpy<2",
    "psutil",
)
NETWORKS = ("ResNet50", "MobileNetV2", "EfficientNetB0", "DenseNet121")
CONVERTERS = ("metannvis", "metannvis-verify", "onnx2keras", "nobuco")
SPEEDS = ("forward function", "gradient function", "forward eager", "gradient eager")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}
Figures = dict[str, list[float]]


class Worker:
    """A contender's process, asked one thing at a time."""

    def __init__(self, python: str, who: str, network: str, log: Path) -> None:
        self.who = who
        self.failed = ""
        env = {**os.environ, **ONE_THREAD}
        if who == "nobuco":
            env.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), who, network], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log.open("a"), text=True, env=env,
        )  # fmt: skip
        self._answer()

    def ask(self, request: str) -> dict[str, Any]:
        if self.failed:
            return {}
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.failed = "the process ended"
            return {}
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "the process ended"}
        self.failed = answer.get("failed", "")
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(network: str, pythons: dict[str, str], log: Path, conversions: int, repeats: int) -> dict[str, Any]:
    """Seconds of every contender: conversion (the first apart), and each way to run the model."""
    workers = {who: Worker(pythons[who], who, network, log) for who in (*CONVERTERS, "twin")}
    figures: dict[str, dict[str, list[float]]] = {who: {"conversion": []} for who in workers}
    first = {who: worker.ask("convert").get("seconds") for who, worker in workers.items()}
    for _ in range(conversions):
        for who in CONVERTERS:
            answer = workers[who].ask("convert")
            if "seconds" in answer:
                figures[who]["conversion"].append(answer["seconds"])
    errors = {who: worker.ask("check").get("error") for who, worker in workers.items()}
    workers.pop("metannvis-verify").close()
    for worker in workers.values():
        worker.ask("prepare")
    for what in SPEEDS:
        for _ in range(repeats):
            for who, worker in workers.items():
                answer = worker.ask(f"time {what}")
                if "seconds" in answer:
                    figures[who].setdefault(what, []).append(answer["seconds"])
    failed = {who: worker.failed for who, worker in workers.items() if worker.failed}
    for worker in workers.values():
        worker.close()
    return {"first": first, "figures": figures, "errors": errors, "failed": failed}


def ratio(ours: list[float] | None, theirs: list[float] | None) -> str:
    """Smallest over smallest, and median over median."""
    if not ours or not theirs:
        return "–"
    return f"{min(ours) / min(theirs):.2f} ({statistics.median(ours) / statistics.median(theirs):.2f})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(results: dict[str, Any], memory: dict[str, Any], versions: str, command: str) -> str:
    conversion, speed, notes = [], [], []
    for network, result in results.items():
        figures, first = result["figures"], result["first"]

        def least(who: str, figures: Any = figures, first: Any = first) -> str:
            seconds = figures[who]["conversion"]
            return f"{min(seconds):.2f} ({first[who]:.2f})" if seconds else "fails"

        conversion.append(
            [network, *(least(who) for who in CONVERTERS)]
            + [ratio(figures["metannvis"]["conversion"], figures[who]["conversion"]) for who in CONVERTERS[2:]]
        )
        for what in SPEEDS:
            others = [
                ratio(figures["metannvis"].get(what), figures[who].get(what)) for who in ("twin", *CONVERTERS[2:])
            ]
            milliseconds = figures["metannvis"].get(what)
            speed.append([network, what, f"{1000 * min(milliseconds):.0f}" if milliseconds else "–", *others])
        errors = ", ".join(f"{who} {error:.1e}" for who, error in result["errors"].items() if error is not None)
        notes.append(
            f"- {network}: {errors}" + "".join(f"; {who} fails: {why}" for who, why in result["failed"].items())
        )
    rows = [
        [who, f"{m['megabytes']:.0f}", f"{m['peak']:.2f}", f"{m['kept']:.2f}", f"{m['seconds']:.1f}"]
        if "peak" in m
        else [who, "–", str(m.get("failed", "")), "–", "–"]
        for who, m in memory.items()
    ]
    return f"""# Benchmarks

Made by `{command}` on {date.today()}, {versions}. One thread, batch of one image of 224 × 224, seconds of processor time;
every contender in a process of its own, taking turns. A ratio is ours over theirs, of the smallest times and in brackets of
the medians: below 1, ours is faster. The *twin* is the network of `keras.applications` with the same weights.

## Conversion from PyTorch

Smallest time in seconds, in brackets the first conversion of a process; `verify` adds the check of outputs, layers, gradients.

{table(["network", "MetaNNvis", "with `verify`", "onnx2keras", "nobuco", "ours / onnx2keras", "ours / nobuco"], conversion)}

## The translated model

`gradient` is the forward pass and the gradient of the sum of the outputs with respect to the input.

{table(["network", "what", "ours, ms", "ours / twin", "ours / onnx2keras", "ours / nobuco"], speed)}

Relative error of the outputs against PyTorch, on an input that no conversion has seen:

{chr(10).join(notes)}

## Peak memory of a conversion

VGG16. Resident memory above what the process holds with the source model loaded, in multiples of the weights.

{table(["", "weights, MiB", "peak", "kept", "seconds"], rows)}
"""


def nobuco_python(folder: Path) -> str:
    """An environment with nobuco and what it needs."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--python", "3.11", str(folder)], check=True)
        subprocess.run(["uv", "pip", "install", "--python", str(python), *NOBUCO], check=True)
    return str(python)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    parser.add_argument("--conversions", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--environments", type=Path, help="folder for the environments of others, kept for the next time"
    )
    parser.add_argument("--nobuco", help="Python of an environment with nobuco, instead of making one")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="file for what the contenders print")
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs" / "benchmarks.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        theirs = given.nobuco or nobuco_python((given.environments or Path(scratch)) / "nobuco")
        pythons = dict.fromkeys((*CONVERTERS, "twin"), sys.executable) | {"nobuco": theirs}
        results = {}
        for network in given.networks:
            print(network, file=sys.stderr)
            results[network] = measure(network, pythons, given.log, given.conversions, given.repeats)
        memory = {}
        for who in CONVERTERS:
            worker = Worker(pythons[who], who, "VGG16", given.log)
            memory[who] = worker.ask("memory")
            worker.close()
    from importlib.metadata import version

    packages = ("torch", "tensorflow", "keras", "onnx2keras")
    versions = f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages)
    text = report(results, memory, f"{versions}, nobuco 0.17", "tox -e benchmarks")
    given.output.parent.mkdir(exist_ok=True)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
