from __future__ import annotations

import io
import re

import pytest
from metannvis_cli import progress
from metannvis_cli.progress import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """What was written, without colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.getvalue())


@pytest.fixture
def clock(monkeypatch):
    """Seconds, to be set by the test; terminals are 80 columns wide."""
    now = [0.0]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_bar_on_a_terminal_that_is_wiped(clock):
    console = Console(stream=Terminal())
    console.progress(1, 4, "train")
    assert console.stream.text().endswith("train ━━━━━━━━━━────────────────────────────── " + " 25%")
    console.clear()
    assert console.stream.getvalue().endswith("\r\x1b[K")


def test_it_is_not_drawn_too_often(clock):
    console = Console(stream=Terminal())
    for done in range(100):
        console.progress(done, 1000, "train")
    assert console.stream.getvalue().count("train") == 1
    clock[0] = 1
    console.progress(100, 1000, "train")
    console.progress(1000, 1000, "train")  # the end is drawn at once
    assert console.stream.getvalue().count("train") == 3


def test_a_stage_of_one_step_has_no_percentage(clock):
    console = Console(stream=Terminal())
    console.progress(0, 1, "check")
    assert console.stream.text() == "\r\x1b[Kcheck …"


def test_no_terminal_no_bar(clock):
    console = Console(stream=io.StringIO())
    console.progress(1, 4, "train")
    console.progress(4, 4, "train")
    assert console.stream.getvalue() == ""


def test_a_long_run_names_each_stage_once_without_a_terminal(clock):
    console = Console(stream=io.StringIO())
    for second in range(0, 100, 3):  # a slow machine
        clock[0] = second
        console.progress(second, 100, "train" if second % 2 else "grad_cam++ of tf-keras-vis")
    assert console.stream.getvalue() == "grad_cam++ of tf-keras-vis …\ntrain …\n"


def test_quiet(clock):
    console = Console(quiet=True, stream=Terminal())
    console.progress(1, 4, "train")
    console.note("a note")
    assert console.stream.getvalue() == ""
    console.error("an error")
    assert console.stream.getvalue() == "an error\n"


def test_a_note_wipes_the_bar(clock):
    console = Console(stream=Terminal())
    console.progress(1, 4, "train")
    console.note("warning: something")
    assert console.stream.getvalue().endswith("\r\x1b[Kwarning: something\n")


@pytest.mark.parametrize("total", [0, -1])
def test_a_total_that_makes_no_sense_does_no_harm(clock, total):
    Console(stream=Terminal()).progress(3, total, "train")


@pytest.mark.parametrize("width", [20, 50, 80, 120])
@pytest.mark.parametrize("total", [1, 4])
def test_it_fits_its_line(clock, monkeypatch, width, total):
    monkeypatch.setenv("COLUMNS", str(width))
    console = Console(stream=Terminal())
    console.begin("12 of 34")
    console.progress(1, total, "integrated_gradients of captum on a translated model [n_steps=200]")
    line = console.stream.text().rpartition("\x1b[K")[2]
    assert line.startswith("12 of 34 ")
    assert len(line) < width


def test_colours_unless_they_are_not_wanted(clock, monkeypatch):
    console = Console(stream=Terminal())
    console.progress(1, 4, "train")
    assert "\x1b[36m" in console.stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(stream=Terminal())
    console.progress(1, 4, "train")
    assert "\x1b[36m" not in console.stream.getvalue()


def test_a_terminal_that_knows_no_control_sequence_gets_no_bar(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(stream=Terminal())
    console.progress(1, 4, "train")
    assert console.stream.getvalue() == ""
