"""Tables at any width: nothing is cut off, and nothing but text where a program reads."""

from __future__ import annotations

import contextlib
import io
import re
import sys

import pytest
from metannvis_cli.tables import echo_table

HEADER = ("LAYER", "KIND", "WHAT IT DOES")
ROWS = [
    ("block1.conv2d", "Conv2d", "Convolution of the image with sixteen filters [bold]"),
    ("a" * 70, "nn:smile:", "x"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, rows=ROWS) -> str:
    with contextlib.redirect_stdout(stream):
        echo_table(HEADER, rows)
    return stream.getvalue()


@pytest.mark.parametrize("columns", ["30", "200"])
def test_a_pipe_gets_plain_columns_of_full_width(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = told(io.StringIO())
    assert "\x1b" not in text
    header, first, second = text.splitlines()
    assert first.index("Conv2d") == header.index("KIND") == second.index("nn:smile:")


@pytest.mark.parametrize("width", [30, 50, 80, 120])
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_a_terminal_gets_all_of_it_within_its_width(width, rows, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    text = re.sub(r"\x1b\[[\d;]*m", "", told(Terminal(), rows))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    everything = re.sub(r"\s", "", text)
    for row in rows:
        for cell in row:
            assert all(word in everything for word in cell.split())


def test_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert not re.search(r"\x1b\[3\d", told(Terminal()))


def test_rich_is_not_loaded_for_a_pipe(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert told(io.StringIO())
