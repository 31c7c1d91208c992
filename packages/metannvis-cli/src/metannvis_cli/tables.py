"""Tables and JSON on stdout: for people on a terminal, plain where a program reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["echo_json", "echo_table", "shape_text"]

#: Columns that the last of a table has at least; where a terminal has fewer left, each row is a paragraph.
LEAST = 24


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: columns of text, each as wide as its widest cell.

    On a terminal the last column is wrapped at its edge, and where that would leave it too narrow, each row is a paragraph.
    Nothing is cut off.
    """
    lines = [list(row) for row in rows]
    widths = [max(len(line[k]) for line in [list(header), *lines]) for k in range(len(header))]
    if not sys.stdout.isatty():
        for line in [list(header), *lines]:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if sum(widths[:-1]) + 2 * len(widths[:-1]) + min(LEAST, widths[-1]) <= console.width:
        _columns(header, lines, console)
    else:
        _paragraphs(header, lines, console)


def _columns(header: Sequence[str], lines: Iterable[Sequence[str]], console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    *others, last = header
    for name in others:
        table.add_column(name, no_wrap=True)
    table.add_column(last, overflow="fold")
    for line in lines:
        table.add_row(*line)
    console.print(table)


def _paragraphs(header: Sequence[str], lines: Iterable[Sequence[str]], console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    names = [name.lower() for name in header]
    for first, *others, last in lines:
        told = [Text.assemble((f"{name} ", "dim"), cell) for name, cell in zip(names[1:], others, strict=False)]
        console.print(Text(first, style="bold"), overflow="fold")
        for text in (Text(" · ").join(told), Text.assemble((f"{names[-1]} ", "dim"), last)):
            console.print(Padding(text, (0, 0, 0, 2), expand=False), overflow="fold")


def echo_json(value: Any) -> None:
    """One JSON value on stdout; NaN and infinities, which JSON has not, become null."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def shape_text(shape: Iterable[int | None]) -> str:
    """``(?, 3, 8)``, with a question mark for a free size."""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
