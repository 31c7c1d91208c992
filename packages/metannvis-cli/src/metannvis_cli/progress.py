"""Progress and messages on stderr; a message clears the progress line before it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Console"]

#: Seconds between two drawings of the line, and of silence before a stage is named where there is no terminal.
REDRAW, REPORT = 0.1, 10.0
#: What wipes the line that the cursor is in.
WIPE = "\r\x1b[K"


@dataclass
class Console:
    """Standard error, as the command line uses it.

    Parameters
    ----------
    quiet
        Errors only.
    verbose
        Also says what the libraries note down.
    debug
        Errors come with their traceback, libraries may say what they like.
    stream
        Where to write; a progress line is drawn only on a terminal.
    """

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _drawn: bool = False
    _which: str = ""
    _stage: str = ""
    _named: set[str] = field(default_factory=set)
    _noted: set[str] = field(default_factory=set)
    _last: float = field(default_factory=lambda: time.monotonic())

    def begin(self, which: str) -> None:
        """Say which of several runs the stages belong to that come now, such as ``3 of 12``; empty: the only one."""
        self._which = which

    def note(self, text: str) -> None:
        """A line for people, left out if quiet."""
        if not self.quiet:
            self.error(text)

    def note_once(self, text: str) -> None:
        """A line about one of many files, ``NAME: …``, unless the same was said of another."""
        what = text.partition(": ")[2]
        if what not in self._noted:
            self._noted.add(what)
            self.note(text)

    def error(self, text: str) -> None:
        """A line that is always written."""
        self.clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def progress(self, done: int, total: int, stage: str) -> None:
        """Show how far a stage is; ``metannvis_translate`` and ``metannvis_methods`` call this.

        On a terminal this is a bar on the last line. Elsewhere it is silent but for one line a stage at most, its name,
        once ten seconds have passed without any: a long run is seen to be alive, a short one leaves no trace in a log.
        """
        if self.quiet:
            return
        stage = f"{self._which} · {stage}" if self._which else stage
        if self.stream.isatty() and os.environ.get("TERM") != "dumb":  # which knows no control sequence
            self._draw(done, total, stage)
        elif stage not in self._named and time.monotonic() - self._last >= REPORT:
            self._last = time.monotonic()
            self._named.add(stage)
            self.stream.write(f"{stage} …\n")
            self.stream.flush()

    def _draw(self, done: int, total: int, stage: str) -> None:
        now = time.monotonic()
        begins_or_ends = stage != self._stage or done >= total
        if now - self._last < REDRAW and not begins_or_ends:
            return
        from rich.console import Console as Terminal

        self._last, self._stage = now, stage
        share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        terminal = Terminal(file=self.stream, highlight=False)
        self.stream.write(WIPE)
        terminal.print(
            _bar(share, stage, terminal.width, countable=total > 1), end="", no_wrap=True, overflow="ellipsis"
        )
        self.stream.flush()
        self._drawn = True

    def clear(self) -> None:
        """Wipe the progress line."""
        if self._drawn:
            self.stream.write(WIPE)
            self.stream.flush()
            self._drawn = False


def _bar(share: float, stage: str, columns: int, *, countable: bool) -> Text:
    """One line, which leaves the last column free: a terminal would go to the next."""
    from rich.text import Text

    if not countable:
        return Text(stage if len(stage) < columns - 2 else f"{stage[: columns - 4]}…").append(" …")
    stage = stage if len(stage) <= columns // 2 else stage[: columns // 2 - 1] + "…"
    width = min(40, columns - len(stage) - 8)
    if width < 8:
        return Text(f"{stage} {share:.0%}")
    full = round(share * width)
    return Text.assemble(f"{stage} ", ("━" * full, "cyan"), ("─" * (width - full), "dim"), f" {share:4.0%}")
