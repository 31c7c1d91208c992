"""Ctrl-C ends a command with exit code 130, wherever it is, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from metannvis_cli.errors import Interrupted, interruptible


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """The signal is heeded, here and by processes that are started, as it is not in a job that a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10**6):  # the signal is seen between two steps of Python
        pass


def swallowed() -> None:
    try:
        interrupt()
    except KeyboardInterrupt as error:
        raise ImportError("what a library makes of it") from error


@pytest.mark.parametrize("work", [interrupt, swallowed])
def test_the_signal_is_an_interruption_whatever_becomes_of_it(work: Any) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught, interruptible():
        work()
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(KeyError), interruptible():
        raise KeyError


def test_a_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_on_the_command_line(metannvis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import metannvis_methods

    def stops(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(metannvis_methods, "describe_method", stops)
    monkeypatch.setattr(metannvis_methods, "find_methods", stops)
    for place in ([], ["--debug"]):
        result = metannvis(*place, "describe", "saliency", code=130)
        assert result.stderr == "interrupted\n"
        assert result.stdout == ""


#: A process that is interrupted within an exec() would be killed by the signal at its end, exit code or no.
IN_EXEC = """
import click
from metannvis_cli.errors import interruptible

@click.command()
def command():
    with interruptible():
        exec("import os, signal\\nos.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(10**8): pass")

command()
"""


def test_the_exit_code_of_a_process() -> None:
    done = subprocess.run([sys.executable, "-c", IN_EXEC], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


#: A toolkit that says when it is at work, and never ends.
AT_WORK = """
import sys, time
from metannvis_methods.toolsets.load import import_quietly

def attribute(*arguments, **words):
    print("at work", flush=True)
    while True:
        time.sleep(0.01)

import_quietly("captum.attr").Saliency.attribute = attribute
from metannvis_cli.main import cli
cli(sys.argv[1:])
"""


def test_during_long_work(models: Path, tmp_path: Path) -> None:
    output, temporary = tmp_path / "map.npz", tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", AT_WORK, "explain", str(models / "net.pt2"), "--method", "saliency"]
    command += ["--toolset", "captum", "--input", str(models / "torch.npy"), "--target", "1", "--output", str(output)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.endswith("interrupted\n")
    assert out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary"]
    assert {path.name.partition("_")[0] for path in temporary.iterdir()} <= {"torchinductor"}  # PyTorch's own
