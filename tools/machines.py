"""The tests on other machines: half of them under each of many conditions, in turn.

Machines differ in the kernels that their processors choose, in threads, locale, time zone, home folder, terminal and speed.
``python tools/machines.py --list`` names the conditions; what runs the tests is the Python that runs this.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRANSLATE = "packages/metannvis-translate/tests/"
#: The half whose numbers depend on kernels and threads.
NUMBERS = (
    *(
        TRANSLATE + file
        for file in (
            "frameworks/torch/importer/test_operators.py",
            "frameworks/keras/importer/test_operators.py",
            "importing/test_operator_references.py",
            "frameworks/onnx/test_exact_integers.py",
            "frameworks/keras/exporter/test_export.py",
            "frameworks/keras/exporter/test_ops.py",
            "frameworks/keras/exporter/test_layers.py",
            "pairs/test_keras_to_torch.py",
            "equivalence/test_report.py",
            "pairs/test_random_keras.py",
        )
    ),
    f"{TRANSLATE}pairs/test_torch_to_keras.py::test_single_precision_with_the_gate",
    "packages/metannvis-methods/tests/test_methods.py",
    "packages/metannvis-methods/tests/test_compare.py",
    "packages/metannvis-methods/tests/test_captum_core.py",
    "tests/test_comparison.py",
    "tests/test_translation.py",
)  # fmt: skip
#: The half whose words, files and processes depend on everything else.
SURFACE = (
    *(
        TRANSLATE + file
        for file in (
            "test_data.py",
            "test_files.py",
            "frameworks/onnx/test_plugin.py",
            "frameworks/test_registry.py",
            "pairs/test_errors.py",
            "graph/test_size_expressions.py",
            "writing/test_replace.py",
        )
    ),
    *(
        f"packages/metannvis-methods/tests/{name}"
        for name in (
            "inputs", "registry", "results", "running", "test_calls.py", "test_errors.py", "test_extension.py",
            "test_forms.py", "test_layers.py", "test_threads.py",
        )
    ),
    "packages/metannvis-plot/tests",
    "packages/metannvis-cli/tests",
    "tests/test_errors.py",
    "tests/test_release.py",
    "tests/test_repository.py",
)  # fmt: skip
#: Those with products of integers.
INTEGERS = tuple(
    TRANSLATE + file
    for file in (
        "frameworks/torch/importer/test_operators.py",
        "frameworks/keras/importer/test_operators.py",
        "frameworks/onnx/test_exact_integers.py",
    )
)
#: Those that draw, and say how far they are.
SHOWN = ("packages/metannvis-plot/tests", "packages/metannvis-cli/tests")
BOTH = tuple(dict.fromkeys((*NUMBERS, *SURFACE)))
#: A processor of 2013: AVX2, and no VNNI.
EMULATED = ("qemu-x86_64", "-cpu", "Haswell")


@dataclass(frozen=True)
class Condition:
    """What a machine is made to look like.

    Attributes
    ----------
    name
        As ``--only`` takes it.
    tests
        Files and folders.
    environment
        Variables set; None unsets one.
    options
        More options of pytest.
    share
        Share of a processor's time that the tests get.
    columns
        Width of the terminal that they run on; None for no terminal at all.
    needs
        A program without which the condition is left out, and said to be.
    before
        Words before the command.
    processes
        Processes that run the tests.
    """

    name: str
    tests: Sequence[str]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    options: Sequence[str] = ()
    share: float = 1.0
    columns: int | None = None
    needs: str = ""
    before: Sequence[str] = ()
    processes: int = 2


def threads(number: int) -> dict[str, str | None]:
    """Variables that give operators so many threads."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    )
    return dict.fromkeys(names, str(number))


#: Frameworks keep settings and caches below the home folder unless told otherwise.
HOMELESS: dict[str, str | None] = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None}
HOMELESS |= dict.fromkeys(("KERAS_HOME", "TORCH_HOME", "MPLCONFIGDIR"))

CONDITIONS = (
    Condition("aten-default", NUMBERS, {"ATEN_CPU_CAPABILITY": "default"}),
    Condition("aten-avx2", NUMBERS, {"ATEN_CPU_CAPABILITY": "avx2"}),
    Condition("onednn-sse41", NUMBERS, {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Condition("onednn-avx2", NUMBERS, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Condition("tensorflow-without-onednn", NUMBERS, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    Condition("one-thread", NUMBERS, threads(1)),
    Condition("four-threads", NUMBERS, threads(4)),
    Condition("locale-c", SURFACE, {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": None}),
    Condition("decimal-commas", SURFACE, {"LC_ALL": "de_DE.UTF-8"}, ("-p", "user_locale"), needs="localedef"),
    Condition("time-zone", SURFACE, {"TZ": "Pacific/Chatham"}),
    Condition("no-home", SURFACE, HOMELESS),
    Condition("no-terminal", SURFACE, {"TERM": None, "COLUMNS": None}),
    Condition("fifty-columns", SURFACE, {"COLUMNS": None, "TERM": "xterm"}, columns=50),
    Condition("hash-seed-0", SURFACE, {"PYTHONHASHSEED": "0"}),
    Condition("hash-seed-1", NUMBERS, {"PYTHONHASHSEED": "1"}),
    Condition("hash-seed-20221", BOTH, {"PYTHONHASHSEED": "20221"}),
    Condition("random-order", BOTH, options=("-p", "randomly")),
    Condition("in-the-background", SHOWN, before=("sh", "-c", 'trap "" INT; exec "$@"', "sh")),
    Condition("a-fifth-of-the-time", SHOWN, options=("--timeout", "1500"), share=0.2),
    Condition(
        "processor-without-vnni",
        [
            TRANSLATE + file
            for file in (
                "frameworks/torch/importer/test_operators.py",
                "frameworks/keras/importer/test_operators.py",
                "frameworks/onnx/test_exact_integers.py",
            )
        ],
        options=("-k", "Integer or QLinear or product or sums or integers", "--timeout", "1500"),
        needs=EMULATED[0],
        before=EMULATED,
        processes=0,
    ),
)


@contextmanager
def locales(wanted: str | None) -> Iterator[dict[str, str]]:
    """A folder in which a locale is compiled, as variables; none where nothing was wanted."""
    if wanted is None or wanted == "C":
        yield {}
        return
    language, _, charset = wanted.partition(".")
    with tempfile.TemporaryDirectory() as folder:
        # --no-archive would want the place of the system's own
        subprocess.run(["localedef", "-i", language, "-f", charset, f"{folder}/{wanted}"], check=True)
        yield {"LOCPATH": folder}


def throttle(process: subprocess.Popen[bytes], share: float, over: threading.Event, period: float = 0.2) -> None:
    """Let a process and its children run for a share of the time only."""
    while not over.is_set():
        for rest, sign in ((period * (1 - share), signal.SIGSTOP), (period * share, signal.SIGCONT)):
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                return
            time.sleep(rest)


def run(condition: Condition, log: Path, extra: Sequence[str]) -> int:
    """Run the tests under a condition; what they print goes to a file. Returns pytest's exit code."""
    order = [] if "randomly" in condition.options else ["-p", "no:randomly"]
    spread = ["-n", str(condition.processes), "--dist", "worksteal"] if condition.processes else ["-p", "no:xdist"]
    command = [
        *condition.before,
        sys.executable,
        "-m",
        "pytest",
        "--color=no",
        "-m",
        "not full",
        *spread,
        *order,
        *condition.options,
    ]
    environment: dict[str, str] = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    for name, value in condition.environment.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    with locales(condition.environment.get("LC_ALL")) as folders, log.open("wb") as file:
        stream, forget = _terminal(condition.columns, file.fileno()) if condition.columns else (file.fileno(), _nothing)
        process = subprocess.Popen(
            [*command, *condition.tests, *extra],
            cwd=ROOT,
            env=environment | folders,
            stdin=stream if condition.columns else subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        over = threading.Event()
        if condition.share < 1:
            threading.Thread(target=throttle, args=(process, condition.share, over), daemon=True).start()
        try:
            return process.wait()
        finally:
            over.set()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            forget()


def _nothing() -> None:
    return


def _terminal(columns: int, to: int) -> tuple[int, Callable[[], None]]:
    """A terminal so wide, whose output is copied to a file."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def copy() -> None:
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the last process has left the terminal
                return
            if not part:
                return
            os.write(to, part)

    reader = threading.Thread(target=copy, daemon=True)
    reader.start()

    def forget() -> None:
        os.close(theirs)
        reader.join(10)
        os.close(ours)

    return theirs, forget


def outcome(log: Path) -> str:
    """The counts that pytest ends with."""
    text = re.sub(r"\x1b\[[\d;]*m", "", log.read_text(errors="replace"))
    found = re.findall(r"\d+ (?:passed|failed|error|skipped)[^\n=]*", text)
    return found[-1].strip() if found else "no result"


def main() -> int:
    """Run the conditions that were asked for; 1 if a test failed under one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the conditions and end")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these conditions only")
    parser.add_argument("--logs", type=Path, help="folder for what the tests print; a temporary one by default")
    parser.add_argument("pytest", nargs="*", help="more options of pytest, after --")
    arguments = parser.parse_args()
    if arguments.list:
        for condition in CONDITIONS:
            sys.stdout.write(f"{condition.name}\n")
        return 0
    unknown = set(arguments.only or ()) - {condition.name for condition in CONDITIONS}
    if unknown:
        parser.error(f"there is no condition {', '.join(sorted(unknown))}; --list names them")
    logs = arguments.logs or Path(tempfile.mkdtemp(prefix="machines-"))
    logs.mkdir(parents=True, exist_ok=True)
    failed = []
    for condition in CONDITIONS:
        if arguments.only and condition.name not in arguments.only:
            continue
        if condition.needs and shutil.which(condition.needs) is None:
            sys.stdout.write(f"{condition.name:28} not run: there is no {condition.needs} on this machine\n")
            failed += [condition.name] if condition.needs == "localedef" else []
            continue
        log, started = logs / f"{condition.name}.log", time.monotonic()
        code = run(condition, log, arguments.pytest)
        minutes = (time.monotonic() - started) / 60
        sys.stdout.write(
            f"{condition.name:28} {'passed' if code == 0 else 'FAILED'} {minutes:5.1f} min  {outcome(log)}\n"
        )
        sys.stdout.flush()
        if code:
            failed.append(condition.name)
            sys.stdout.write("".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()[-40:]))
    sys.stdout.write(f"logs: {logs}\n" + (f"failed: {', '.join(failed)}\n" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
