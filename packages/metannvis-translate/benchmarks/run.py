"""Time and memory of translations and of translated models against others; writes a page of the docs for each direction.

Every contender runs in a process of its own. They take turns, repetition by repetition, so that all meet the same machine;
figures are ratios. nobuco needs Keras 2 and gets an environment of its own, made by uv.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
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
    "segmentation-models-pytorch",
    "numpy<2",
    "psutil",
)
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}


@dataclass(frozen=True)
class Direction:
    """What is measured on the way to one framework, and what its page says."""

    to: str
    title: str
    page: str
    networks: tuple[str, ...]
    #: other ways to convert, by the contender's name
    others: dict[str, str]
    #: ways to run the model; none: conversions alone are measured
    runs: tuple[str, ...]
    #: what the twin is; none if empty
    twin: str
    packages: tuple[str, ...]

    @property
    def converters(self) -> tuple[str, ...]:
        return ("metannvis", "metannvis-verify", *self.others)

    @property
    def contenders(self) -> tuple[str, ...]:
        return (*self.converters, "twin") if self.twin else self.converters


DIRECTIONS = {
    "keras": Direction(
        to="keras",
        title="PyTorch to Keras",
        page="benchmarks.md",
        networks=("ResNet50", "MobileNetV2", "EfficientNetB0", "DenseNet121"),
        others={"onnx2keras": "onnx2keras", "nobuco": "nobuco"},
        runs=("forward function", "gradient function", "forward eager", "gradient eager"),
        twin="the network of `keras.applications`",
        packages=("torch", "tensorflow", "keras", "onnx2keras"),
    ),
    "segmentation": Direction(
        to="keras",
        title="segmentation networks to Keras",
        page="benchmarks_segmentation.md",
        networks=("FPN, MobileNetV2", "Unet, ResNet18", "DeepLabV3+, MobileNetV2", "PSPNet, ResNet34"),
        others={"onnx2keras": "onnx2keras", "nobuco": "nobuco"},
        runs=(),
        twin="",
        packages=("torch", "tensorflow", "keras", "segmentation-models-pytorch", "onnx2keras"),
    ),
    "torch": Direction(
        to="torch",
        title="Keras to PyTorch",
        page="benchmarks_keras.md",
        networks=("VGG16", "ResNet50", "MobileNetV2", "DenseNet121"),
        others={"tf2onnx": "tf2onnx + onnx2torch", "keras-export": "`Model.export` + onnx2torch"},
        runs=("forward", "gradient"),
        twin="torchvision's network, changed to be the one of `keras.applications`, in channels-first memory",
        packages=("torch", "tensorflow", "keras", "tf2onnx", "onnx2torch"),
    ),
}


class Worker:
    """A contender's process, asked one thing at a time."""

    def __init__(self, to: str, who: str, network: str, given: argparse.Namespace) -> None:
        self.failed = ""
        python = given.nobuco if who == "nobuco" else sys.executable
        env = {**os.environ, **ONE_THREAD}
        if who == "nobuco":
            env.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), to, who, network, str(given.gibibytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=given.log.open("a"), text=True, env=env,
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
        with contextlib.suppress(BrokenPipeError):  # what was not sent does not get there any more
            self.process.stdin.close()
        self.process.wait()


def measure(direction: Direction, network: str, given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every contender: conversion (the first apart), and each way to run the model."""
    workers = {who: Worker(direction.to, who, network, given) for who in direction.contenders}
    figures: dict[str, dict[str, list[float]]] = {who: {"conversion": []} for who in workers}
    first = {who: worker.ask("convert").get("seconds") for who, worker in workers.items()}
    for _ in range(given.conversions):
        for who in direction.converters:
            answer = workers[who].ask("convert")
            if "seconds" in answer:
                figures[who]["conversion"].append(answer["seconds"])
    errors = {who: worker.ask("check").get("error") for who, worker in workers.items()}
    workers.pop("metannvis-verify").close()
    for worker in workers.values():
        worker.ask("prepare")
    for what in direction.runs:
        for _ in range(given.repeats):
            for who, worker in workers.items():
                answer = worker.ask(f"time {what}")
                if "seconds" in answer:
                    figures[who].setdefault(what, []).append(answer["seconds"])
    failed = {who: worker.failed for who, worker in workers.items() if worker.failed}
    for worker in workers.values():
        worker.close()
    return {"first": first, "figures": figures, "errors": errors, "failed": failed}


def measure_memory(direction: Direction, network: str, given: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of a conversion by every contender, one after the other."""
    memory = {}
    for who in direction.converters:
        worker = Worker(direction.to, who, network, given)
        memory[who] = worker.ask("memory")
        worker.close()
    return memory


def ratio(ours: list[float] | None, theirs: list[float] | None) -> str:
    """Smallest over smallest, and median over median."""
    if not ours or not theirs:
        return "–"
    return f"{min(ours) / min(theirs):.2f} ({statistics.median(ours) / statistics.median(theirs):.2f})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(direction: Direction, results: dict[str, Any], memory: dict[str, Any], command: str, machine: str) -> str:
    conversion, speed, notes = [], [], []
    names = {"metannvis": "MetaNNvis", "metannvis-verify": "with `verify`", **direction.others}
    for network, result in results.items():
        figures, first = result["figures"], result["first"]
        ours = figures["metannvis"]

        def least(who: str, figures: Any = figures, first: Any = first) -> str:
            seconds = figures[who]["conversion"]
            return f"{min(seconds):.2f} ({first[who]:.2f})" if seconds else "fails"

        conversion.append(
            [network, *(least(who) for who in direction.converters)]
            + [ratio(ours["conversion"], figures[who]["conversion"]) for who in direction.others]
        )
        for what in direction.runs:
            compared = [ratio(ours.get(what), figures[who].get(what)) for who in ("twin", *direction.others)]
            speed.append([network, what, f"{1000 * min(ours[what]):.0f}" if what in ours else "–", *compared])
        errors = ", ".join(f"{who} {error:.1e}" for who, error in result["errors"].items() if error is not None)
        notes.append(
            f"- {network}: {errors}" + "".join(f"; {who} fails: {why}" for who, why in result["failed"].items())
        )
    rows = [
        [network, names[who], f"{m['megabytes']:.0f}", f"{m['peak']:.2f}", f"{m['kept']:.2f}", f"{m['seconds']:.1f}"]
        if "peak" in m
        else [network, names[who], "–", f"fails: {m.get('failed', '')}", "–", "–"]
        for network, of_network in memory.items()
        for who, m in of_network.items()
    ]
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in direction.packages)]
    if "nobuco" in direction.others:
        versions.append(NOBUCO[0].replace("==", " "))
    of_others = [f"ours / {name}" for name in direction.others.values()]
    twin = f" The *twin* is {direction.twin}, with the same weights." if direction.twin else ""
    runs = f"""## The translated model

`gradient` is the forward pass and the gradient of the sum of the outputs with respect to the input.

{table(["network", "what", "ours, ms", "ours / twin", *of_others], speed)}
"""
    peaks = f"""
## Peak memory of a conversion

Resident memory above what the process holds with the source model loaded, in multiples of the weights.

{table(["network", "", "weights, MiB", "peak", "kept", "seconds"], rows)}
"""
    return f"""# Benchmarks: {direction.title}

Made by `{command}` on {date.today()}{machine and f", {machine}"}. {", ".join(versions)}.

One thread, batch of one image of 224 × 224, seconds of processor time;
every contender in a process of its own, taking turns. A ratio is ours over theirs, of the smallest times and in brackets of
the medians: below 1, ours is faster.{twin}

## Conversion

Smallest time in seconds, in brackets the first conversion of a process; `verify` adds the check of outputs, layers, gradients.

{table(["network", *names.values(), *of_others], conversion)}

{runs if direction.runs else ""}
Relative error of the outputs against the source, on an input that no conversion has seen:

{chr(10).join(notes)}
{peaks if rows else ""}"""


def nobuco_python(folder: Path) -> str:
    """An environment with nobuco and what it needs."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--python", "3.11", str(folder)], check=True)
        subprocess.run(["uv", "pip", "install", "--python", str(python), *NOBUCO], check=True)
    return str(python)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--direction", choices=DIRECTIONS, help="to this framework only (default: to each)")
    parser.add_argument("--networks", nargs="*", help="default: those of the direction")
    parser.add_argument("--memory", nargs="*", default=["VGG16"], help="networks whose conversion's memory is measured")
    parser.add_argument("--conversions", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--gibibytes", type=float, default=16, help="memory at which a contender gives up")
    parser.add_argument("--environments", type=Path, help="folder for others' environments, kept for the next time")
    parser.add_argument("--nobuco", help="Python of an environment with nobuco, instead of making one")
    parser.add_argument("--machine", default="", help="what the page says of the machine, such as its load")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="file for what the contenders print")
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs", help="folder of the pages")
    given = parser.parse_args()
    command = " ".join(["tox -e benchmarks", *(["--", shlex.join(sys.argv[1:])] if sys.argv[1:] else [])])
    directions = [DIRECTIONS[given.direction]] if given.direction else list(DIRECTIONS.values())
    with tempfile.TemporaryDirectory() as scratch:
        if any("nobuco" in direction.others for direction in directions):
            given.nobuco = given.nobuco or nobuco_python((given.environments or Path(scratch)) / "nobuco")
        for direction in directions:
            results: dict[str, Any] = {}
            memory: dict[str, Any] = {}
            given.output.mkdir(parents=True, exist_ok=True)

            def write(direction: Direction = direction, results: Any = results, memory: Any = memory) -> None:
                """The page so far: a run that is stopped has not been for nothing."""
                text = report(direction, results, memory, command, given.machine)
                (given.output / direction.page).write_text(text)

            for network in given.memory if direction.runs else ():
                memory[network] = measure_memory(direction, network, given)
                write()
            for network in given.networks or direction.networks:
                print(f"{direction.title}: {network}", file=sys.stderr)
                results[network] = measure(direction, network, given)
                write()


if __name__ == "__main__":
    main()
