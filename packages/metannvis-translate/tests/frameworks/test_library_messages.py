"""No line of a library's on any stream, and the one switch that shows them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from metannvis_translate.frameworks.library_messages import LEVEL, LIBRARY_MESSAGES, are_shown, kept_back

#: What TensorFlow writes while it is imported and when it first computes.
GREETING = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\nI0000 00:00:17 1 port.cc\n"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(LIBRARY_MESSAGES, raising=False)
    monkeypatch.delenv(LEVEL, raising=False)


def test_a_greeting_is_kept_back_and_what_others_write_is_not(capfd):
    with kept_back():
        os.write(2, GREETING)
        os.write(2, b"a line of another thread\n")
        os.write(2, b"E0000 00:00:1795978886.645892 25358 cuda_platform.cc:52] failed call to cuInit\n")
        assert os.environ[LEVEL] == "3"
    os.write(2, b"after\n")
    assert LEVEL not in os.environ
    assert capfd.readouterr().err == "a line of another thread\nafter\n"


def test_all_is_shown_if_it_ends_badly(capfd):
    def fail() -> None:
        os.write(2, GREETING)
        raise ImportError

    with pytest.raises(ImportError), kept_back():
        fail()
    assert capfd.readouterr().err == GREETING.decode()


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        (LIBRARY_MESSAGES, "1", True),
        (LIBRARY_MESSAGES, "0", False),
        (LEVEL, "0", True),
        (LEVEL, "2", True),
        (LEVEL, "3", False),
    ],
)
def test_who_asks_for_them_sees_them(capfd, monkeypatch, variable, value, shown):
    monkeypatch.setenv(variable, value)
    assert are_shown() is shown
    with kept_back():
        os.write(2, GREETING)
    assert os.environ[variable] == value
    assert capfd.readouterr().err == (GREETING.decode() if shown else "")


CODE = """
import numpy as np, torch
from metannvis_translate import translate
net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 3))
t = translate(net, "keras", example_inputs=np.random.default_rng(0).random((2, 1, 6, 6), np.float32))
translate(t.model, "torch")
"""


@pytest.mark.parametrize("shown", [False, True])
def test_translations_in_code_are_silent(shown):
    """Neither TensorFlow's greeting nor PyTorch's exporter, unless the switch is on."""
    environment = {**os.environ, **({LIBRARY_MESSAGES: "1"} if shown else {})}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert bool(done.stderr) is shown
